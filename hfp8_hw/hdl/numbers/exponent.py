"""The exponent field that a number would have in a format, and cheap questions about it."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal

from ...formats import RUNTIME_BIAS_RANGE, FloatFormat
from .raw import Raw, shifted_exp
from .shape import Amaranth, at_least, plus, range_shape

_LOGIC_BITS = 6
"""Up to this width adding a constant is plain logic, beyond it a carry chain."""


class ExponentField:
    """``exp + bias`` for a number and a format, static bias or run-time.

    With a static bias comparisons are made on the number's own exponent, so that they wait for
    no adder.

    Members
    -------
    value : signed
        The field; costs an adder where it is used.
    low, high : int
        Its range for nonzero numbers.
    """

    def __init__(
        self, m: Module, raw: Raw, fmt: FloatFormat, bias: Amaranth | None, name: str
    ) -> None:
        biases = (fmt.bias, fmt.bias) if bias is None else RUNTIME_BIAS_RANGE
        self.low, self.high = raw.low + biases[0], raw.high + biases[1]
        self.value = Signal(range_shape(self.low, self.high), name=f"{name}_field")
        if bias is None:
            m.d.comb += self.value.eq(shifted_exp(raw, fmt.bias))
            self._known, self._difference = raw.exp, fmt.bias - raw.offset
        else:
            m.d.comb += self.value.eq(shifted_exp(raw, 0) + bias)
            self._known, self._difference = self.value, 0

    def reaches(self, least: int) -> Amaranth:
        """Whether the field is at least ``least``."""
        known, least = self._known, least - self._difference
        if known.shape().signed:
            known = Cat(known[:-1], ~known[-1])
            least += 1 << (len(known) - 1)
        return at_least(known, least)

    def equals(self, number: int) -> Amaranth:
        """Whether the field is ``number``."""
        return self._known == number - self._difference

    def bits(self, count: int) -> Amaranth:
        """Its lowest ``count`` bits."""
        if count > _LOGIC_BITS or self._difference == 0:
            sign = self.value[-1].replicate(count)
            return Cat(self.value, sign)[:count]
        known = self._known
        sign = known[-1].replicate(count) if known.shape().signed else known[-1:] & 0
        return plus(Cat(known, sign)[:count], self._difference, count)
