"""A pipeline: register stages with valid and ready that keep every transfer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from amaranth.hdl import Module, Signal

from .raw import is_const
from .shape import Amaranth

Register = Callable[[str, Amaranth], Amaranth]

OWN = {"keep": 1}
"""Attributes of a register that stays one although others are equal to it: control that parts of a
large unit have each for itself, next to it, so that its wires are short."""


def prefixed(cut: Register, prefix: str) -> Register:
    """The register of a cut, with a prefix to its names."""
    return lambda name, value: cut(f"{prefix}{name}", value)


class Pipeline:
    """Builds a linear pipeline through named cuts, some of which are registered.

    It moves as one: every stage waits while the item at the end is not taken. Bubbles do not
    close up, and in return one gate stalls any number of stages, which is what a high clock
    needs. Ready is combinational from the output to the input; valid and payload are held while
    stalled. Reset empties all stages.

    Parameters
    ----------
    m : Module
    valid : 1 bit
        Whether there is an item at the input.
    cuts : collection of str
        The cuts that get a register.
    own : collection of str, optional
        Which registers `OWN` holds for, by the names of what goes through them, ``valid`` being
        one.

    Members
    -------
    valid : 1 bit
        Whether there is an item where the pipeline has been built up to.
    ready : 1 bit
        Whether the pipeline moves.
    carried : dict
        What goes along by itself, where the pipeline has been built up to; the owner adds to it.
    """

    def __init__(
        self, m: Module, valid: Amaranth, cuts: Collection[str], own: Collection[str] = ()
    ) -> None:
        self.m, self.valid, self._cuts, self._own = m, valid, cuts, own
        self.ready = Signal(name="pipe_ready")
        self.carried: dict[str, Amaranth] = {}
        self._crossed: dict[str, Register] = {}

    def cut(self, name: str) -> Register:
        """Cross a cut: the function to pass every signal of the item through.

        Parts of a unit that work side by side cross each cut as if they were alone.
        """
        if name not in self._cuts:
            return lambda _, value: value
        if name not in self._crossed:
            self._crossed[name] = self._cross(name)
        return self._crossed[name]

    def _cross(self, name: str) -> Register:
        def marks(label: str) -> dict[str, Any]:
            return {"stage": name, **(OWN if label in self._own else {})}

        valid = Signal(name=f"{name}_valid", attrs=marks("valid"))
        with self.m.If(self.ready):
            self.m.d.sync += valid.eq(self.valid)
        self.valid = valid

        def register(label: str, value: Amaranth) -> Amaranth:
            if is_const(value):
                return value
            held = Signal(
                value.shape(), name=f"{name}_{label}", reset_less=True, attrs=marks(label)
            )
            with self.m.If(self.ready):
                self.m.d.sync += held.eq(value)
            return held

        self.carried = {label: register(label, value) for label, value in self.carried.items()}
        return register

    def finish(self, ready: Amaranth) -> None:
        """Close the pipeline: ``ready`` says whether an item at its end is taken."""
        self.m.d.comb += self.ready.eq(~self.valid | ready)


def registered_cuts(stages: int, order: tuple[str, ...]) -> tuple[str, ...]:
    """The ``stages`` cuts that are worth most, of ``order``: most valuable first."""
    return order[:stages]
