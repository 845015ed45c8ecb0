"""An elastic pipeline: register stages with valid and ready that keep every transfer."""

from __future__ import annotations

from collections.abc import Callable, Collection

from amaranth.hdl import Module, Signal

from .raw import is_const
from .shape import Amaranth

Register = Callable[[str, Amaranth], Amaranth]


class Pipeline:
    """Builds a linear pipeline through named cuts, some of which are registered.

    A stage moves on when it is empty or the next one takes its item, so bubbles close up and a
    stalled output loses nothing. Ready is combinational from the output to the input; valid and
    payload are held while a stage is stalled. Reset empties all stages.

    Parameters
    ----------
    m : Module
    valid : 1 bit
        Whether there is an item at the input.
    cuts : collection of str
        The cuts that get a register.
    """

    def __init__(self, m: Module, valid: Amaranth, cuts: Collection[str]) -> None:
        self.m, self.valid, self._cuts = m, valid, cuts
        self.ready = Signal(name="pipe_ready")
        self._enable: Amaranth | None = None
        self._last_ready: Amaranth = self.ready

    def cut(self, name: str) -> Register:
        """Cross a cut: the function to pass every signal of the item through."""
        if name not in self._cuts:
            return lambda _, value: value
        m = self.m
        taken = self._last_ready
        valid = Signal(name=f"{name}_valid")
        onward = Signal(name=f"{name}_ready")
        with m.If(taken):
            m.d.sync += valid.eq(self.valid)
        m.d.comb += taken.eq(~valid | onward)
        self.valid, self._last_ready = valid, onward

        def register(label: str, value: Amaranth) -> Amaranth:
            if is_const(value):
                return value
            held = Signal(value.shape(), name=f"{name}_{label}", reset_less=True)
            with m.If(taken):
                m.d.sync += held.eq(value)
            return held

        return register

    def finish(self, ready: Amaranth) -> None:
        """Close the pipeline: ``ready`` says whether the item at its end is taken."""
        self.m.d.comb += self._last_ready.eq(ready)


def registered_cuts(stages: int, order: tuple[str, ...]) -> tuple[str, ...]:
    """The ``stages`` cuts that are worth most, of ``order``: most valuable first."""
    return order[:stages]
