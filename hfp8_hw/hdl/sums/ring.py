"""A loop of registers that several sums take turns in."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from amaranth.hdl import Module, Mux, Signal

from ..numbers.pipeline import Register
from ..numbers.raw import is_const
from ..numbers.shape import Amaranth

RING_CUTS = (
    "sum", "operands", "normalised", "coarse", "align", "aligned", "ordered",
)  # fmt: skip
"""Where a loop through an adder and a rounder is cut besides its end: most valuable first."""


class Ring:
    """Builds a loop through named cuts, some of which are registered.

    Each register holds another slot's state; all move on together, so that a slot comes by every
    ``len(cuts)`` moves. What a slot carries besides the numbers in work goes along by itself.

    Parameters
    ----------
    m : Module
    move : 1 bit
        Whether the loop moves on.
    cuts : collection of str
        The cuts that get a register.

    Members
    -------
    carried : dict
        What goes along, where the loop has been built up to; the owner may add to it. Names in
        ``control`` are cleared by reset.
    """

    def __init__(
        self, m: Module, move: Amaranth, cuts: Collection[str], control: Collection[str]
    ) -> None:
        self.m, self._move, self._cuts, self._control = m, move, cuts, control
        self.carried: dict[str, Amaranth] = {}

    def cut(self, name: str) -> Register:
        """Cross a cut: the function to pass every signal of the slot in work through."""
        if name not in self._cuts:
            return lambda _, value: value
        self.carried = {
            label: self._register(name, label, value, label in self._control)
            for label, value in self.carried.items()
        }
        return lambda label, value: self._register(name, label, value, False)

    def _register(self, name: str, label: str, value: Amaranth, reset: bool) -> Amaranth:
        if is_const(value):
            return value
        held = Signal(
            value.shape(), name=f"{name}_{label}", reset_less=not reset, attrs={"stage": name}
        )
        with self.m.If(self._move):
            self.m.d.sync += held.eq(value)
        return held

    def close(self, ends: Mapping[str, Amaranth], values: Mapping[str, Amaranth]) -> None:
        """The last registers, signals of their own by name, and what they get."""
        with self.m.If(self._move):
            self.m.d.sync += [ends[name].eq(values[name]) for name in ends]


def turns(m: Module, move: Amaranth, accept: Amaranth, slots: int) -> Amaranth:
    """Whether the slot that comes by is the next one to get an item.

    Items go to the slots in turn, so after one that came late all others are late as well.
    """
    late = Signal(range(slots), name="late", attrs={"stage": "turn"})
    with m.If(move):
        m.d.sync += late.eq(Mux(accept | (late == slots - 1), 0, late + 1))
    return late == 0
