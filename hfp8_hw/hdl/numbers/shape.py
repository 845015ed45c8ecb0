"""The float shape: an Amaranth shape that knows its format."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, ShapeLike, signed, unsigned
from amaranth.lib import data

from ...fixed import scale
from ...formats import FloatFormat, parse_format

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


class FixedShape(data.StructLayout):
    """Shape of a fixed-point operand, as `hfp8_hw.golden.to_fixed` gives it.

    Fields, from bit 0 up: ``mag`` in units of the lowest bit that any value has, ``sign``, and
    ``nan`` and ``inf`` for formats that have them. The magnitude of NaN is 0, that of an
    infinity 1.

    Parameters
    ----------
    fmt : FloatFormat
        The format that the operand was in; kept in the attribute ``fmt``.
    """

    def __init__(self, fmt: FloatFormat) -> None:
        self.fmt = fmt
        fields: dict[str, ShapeLike] = {"mag": unsigned(scale((fmt,)).reach), "sign": 1}
        fields |= {"nan": 1} if fmt.has_nan else {}
        super().__init__(fields | ({"inf": 1} if fmt.inf_code is not None else {}))


def range_shape(low: int, high: int) -> ShapeLike:
    """The signed shape that holds ``low`` to ``high``."""
    return signed(max((-low - 1).bit_length() if low < 0 else 0, high.bit_length(), 1) + 1)


def zero_extended(value: Amaranth, width: int) -> Amaranth:
    """``value`` followed by zeros below it, up to ``width`` bits."""
    return Cat(Const(0, width - len(value)), value) if width > len(value) else value


def at_least(value: Amaranth, constant: int) -> Amaranth:
    """``value >= constant`` for an unsigned value, as a tree of AND and OR: for constants with
    runs of equal bits, where that is smaller than a carry chain."""
    if constant <= 0:
        return Const(1, 1)
    if constant >> len(value):
        return Const(0, 1)
    result: Amaranth | None = None
    k = 0
    while k < len(value):
        run = k
        while run < len(value) and (constant >> run & 1) == (constant >> k & 1):
            run += 1
        bits = value[k:run]
        if constant >> k & 1:
            result = bits.all() if result is None else bits.all() & result
        elif result is not None:
            result = bits.any() | result
        k = run
    assert result is not None
    return result


def less(x: Amaranth, y: Amaranth) -> Amaranth:
    """``x < y`` for unsigned values: the borrow of one carry chain. Synthesis tools spend about
    twice that on a comparison operator."""
    width = max(len(x), len(y)) + 1
    return (x - y).as_unsigned()[width - 1]


def plus(value: Amaranth, constant: int, width: int) -> Amaranth:
    """``value + constant`` to ``width`` bits, as plain logic: for narrow values, where a carry
    chain would cost more than it saves."""
    value = value if len(value) >= width else Cat(value, Const(0, width - len(value)))
    constant &= (1 << width) - 1
    bits: list[Amaranth] = []
    carry: Amaranth = Const(0, 1)
    for k in range(width):
        add, bit = constant >> k & 1, value[k]
        if isinstance(carry, Const) and carry.value == 0:
            bits.append(~bit if add else bit)
            carry = bit if add else carry
        else:
            bits.append(~(bit ^ carry) if add else bit ^ carry)
            carry = bit | carry if add else bit & carry
    return Cat(*bits)


def add_with_carry(x: Amaranth, y: Amaranth, carry: Amaranth) -> Amaranth:
    """``x + y + carry`` on one carry chain: the carry enters as that out of one more bit below."""

    def lower(value: Amaranth, bit: Amaranth) -> Amaranth:
        longer = Cat(bit, value)
        return longer.as_signed() if value.shape().signed else longer

    return (lower(x, Const(1, 1)) + lower(y, carry)) >> 1
