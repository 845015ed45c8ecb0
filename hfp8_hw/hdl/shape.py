"""The float shape: an Amaranth shape that knows its format."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, ShapeLike, signed, unsigned
from amaranth.lib import data

from ..formats import FloatFormat, parse_format

Amaranth = Any
"""An Amaranth value; the library's own types are not strict enough to say more."""


class FloatShape(data.StructLayout):
    """Shape of a code of a floating-point format.

    A signal of this shape is a view with the fields ``man``, ``exp`` and ``sign``, from bit 0 up.

    Parameters
    ----------
    fmt : FloatFormat or str
        The format, a catalogue name or a literal; kept in the attribute ``fmt``.
    """

    def __init__(self, fmt: FloatFormat | str) -> None:
        self.fmt = parse_format(fmt)
        super().__init__(
            {"man": unsigned(self.fmt.man_bits), "exp": unsigned(self.fmt.exp_bits), "sign": 1}
        )

    def const(self, init: Any) -> Any:
        """A constant from a code (an integer), or from a mapping of the fields."""
        if isinstance(init, int):
            self.fmt.check_code(init)
            return self.from_bits(init)
        return super().const(init)

    def __repr__(self) -> str:
        return f"FloatShape({str(self.fmt)!r})"


def range_shape(low: int, high: int) -> ShapeLike:
    """The signed shape that holds ``low`` to ``high``."""
    return signed(max((-low - 1).bit_length() if low < 0 else 0, high.bit_length(), 1) + 1)


def zero_extended(value: Amaranth, width: int) -> Amaranth:
    """``value`` followed by zeros below it, up to ``width`` bits."""
    return Cat(Const(0, width - len(value)), value) if width > len(value) else value
