"""Operands and products as a significand and a shift: the way into fixed point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...fixed import Scale
from ...formats import FloatFormat
from ..numbers.raw import TABLE_BITS, any_of, choose, is_const, table, wire
from ..numbers.shape import Amaranth, FixedShape, plus, zero_extended
from ..numbers.unpack import specials


@dataclass(frozen=True)
class Scaled:
    """A number as ``(-1)**sign * sig * 2**shift``, to a scale known when the unit is built.

    Unlike in `Raw`, ``sig`` need not be normalised, so subnormals cost nothing.

    Members
    -------
    nan, inf, zero, sign : 1 bit
        Under ``nan`` and ``inf`` the rest means nothing. ``zero`` is set where the value is zero
        although ``sig`` is not; constant 0 where ``sig`` says it.
    sig, shift : unsigned
    unit : int
        The top bit of ``sig`` is always 1 if ``unit`` is 1.
    """

    nan: Amaranth
    inf: Amaranth
    zero: Amaranth
    sign: Amaranth
    sig: Amaranth
    shift: Amaranth
    unit: int

    def through(self, cut: Callable[[str, Amaranth], Amaranth]) -> Scaled:
        """The same number with every signal passed through ``cut(name, signal)``."""
        names = ("nan", "inf", "zero", "sign", "sig", "shift")
        return replace(self, **{name: cut(name, getattr(self, name)) for name in names})


def unpack_scaled(
    m: Module,
    code: Amaranth,
    formats: Sequence[FloatFormat],
    scale: Scale,
    *,
    name: str,
    mode: Amaranth | None = None,
    explicit: bool = False,
) -> Scaled:
    """Unpack a code without normalising it, combinationally.

    Parameters as for `unpack`; ``scale`` is `hfp8_hw.fixed.scale` of the formats, and
    ``explicit`` asks for a significand that is 0 where the value is.
    """
    unit = int(not explicit and all(fmt.zero_exp != "gradual" for fmt in formats))
    readings = [
        _one(m, code, fmt, offset, scale, unit, f"{name}{k}" if len(formats) > 1 else name)
        for k, (fmt, offset) in enumerate(zip(formats, scale.offsets, strict=True))
    ]
    if len(readings) == 1:
        return readings[0]
    assert mode is not None
    other, one = readings

    def pick(field: str) -> Amaranth:
        return wire(m, choose(mode, getattr(one, field), getattr(other, field)), f"{name}_{field}")

    nan, inf, zero, sign, sig, shift = map(pick, ("nan", "inf", "zero", "sign", "sig", "shift"))
    return Scaled(nan, inf, zero, sign, sig, shift, unit)


def _one(
    m: Module, code: Amaranth, fmt: FloatFormat, offset: int, scale: Scale, unit: int, name: str
) -> Scaled:
    man = code[: fmt.man_bits]
    field = code[fmt.man_bits : fmt.width - 1]
    field_zero = wire(m, field == 0, f"{name}_field_zero")
    nan, inf = specials(m, code, code[: fmt.width - 1], fmt, name)
    hidden: Amaranth = Const(1, 1)
    zero: Amaranth = Const(0, 1)
    match fmt.zero_exp:
        case "gradual":
            hidden = ~field_zero
            field = Cat(field[0] | field_zero, field[1:])
        case "flush":
            zero = field_zero
        case _:
            zero = wire(m, field_zero & (man == 0), f"{name}_zero")
    if not unit and not is_const(zero):
        # With the hidden bit gone the significand of a `normal` zero is 0.
        man = man if fmt.zero_exp == "normal" else Mux(zero, 0, man)[: fmt.man_bits]
        hidden, zero = ~zero, Const(0, 1)
    sig = zero_extended(Cat(man, hidden), scale.bits)
    shift = plus(field, offset, scale.high.bit_length())
    sign = code[fmt.width - 1]
    return Scaled(nan, inf, zero, sign, sig, wire(m, shift, f"{name}_shift"), unit)


def product(m: Module, x: Scaled, y: Scaled, name: str) -> tuple[Scaled, Amaranth]:
    """The exact product, and whether it is invalid (0 x Inf). Combinational.

    ``sig`` is as wide as both together, ``shift`` their sum.
    """
    infinite = any_of(x.inf, y.inf)
    bad: Amaranth = Const(0, 1)
    nan = any_of(x.nan, y.nan)
    if not is_const(infinite):
        no_x = any_of(x.zero, x.sig == 0)
        no_y = any_of(y.zero, y.sig == 0)
        # An infinity set on a grid of finite values may have no bits there.
        one, other = x.inf & no_y & ~y.inf, y.inf & no_x & ~x.inf
        bad = wire(m, (one | other) & ~nan, f"{name}_invalid")
        infinite = wire(m, infinite & ~bad & ~nan, f"{name}_inf")
    shift = Signal(len(x.shift + y.shift), name=f"{name}_shift")
    m.d.comb += shift.eq(x.shift + y.shift)
    return (
        Scaled(
            wire(m, any_of(nan, bad), f"{name}_nan"),
            infinite,
            wire(m, any_of(x.zero, y.zero), f"{name}_zero"),
            wire(m, x.sign ^ y.sign, f"{name}_sign"),
            significand_product(m, x, y, name),
            shift,
            0,
        ),
        bad,
    )


def significand_product(m: Module, x: Scaled, y: Scaled, name: str) -> Amaranth:
    """``x.sig * y.sig``: by truth tables where the operands are short, which is half the LUTs of
    an array of adders; DSP blocks and long operands are for ``*``."""
    width = len(x.sig) + len(y.sig)
    free = width - x.unit - y.unit
    if free <= TABLE_BITS:
        low_x, low_y = x.sig[: len(x.sig) - x.unit], y.sig[: len(y.sig) - y.unit]
        rows = [
            (u | x.unit << len(low_x)) * (v | y.unit << len(low_y))
            for v in range(1 << len(low_y))
            for u in range(1 << len(low_x))
        ]
        return table(m, Cat(low_x, low_y), rows, width, f"{name}_sig")
    if len(x.sig) > 4 or len(y.sig) > 4:
        return wire(m, x.sig * y.sig, f"{name}_sig")
    # Two bits of y at a time: each a table of at most six inputs, then one addition.
    total: Amaranth = Const(0, 1)
    for k in range(0, len(y.sig), 2):
        part = y.sig[k : k + 2]
        rows = [u * v for v in range(1 << len(part)) for u in range(1 << len(x.sig))]
        bits = len(x.sig) + len(part)
        row = table(m, Cat(x.sig, part), rows, bits, f"{name}_row{k}")
        total = row if k == 0 else total + Cat(Const(0, k), row)
    return wire(m, total[:width], f"{name}_sig")


def from_fixed(word: Any, shape: FixedShape) -> Scaled:
    """A fixed-point operand as a number on its grid."""
    view = shape(word)
    never = Const(0, 1)
    return Scaled(
        Value.cast(view.nan) if shape.fmt.has_nan else never,
        Value.cast(view.inf) if shape.fmt.inf_code is not None else never,
        never,
        Value.cast(view.sign),
        Value.cast(view.mag),
        Const(0, 1),
        0,
    )
