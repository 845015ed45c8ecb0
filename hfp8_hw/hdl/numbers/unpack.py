"""The one unpack: codes of one format, or of several by a mode input, to `Raw`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ...formats import FloatFormat
from ...products import exponent_range
from .raw import Raw, leading_zeros, select, wire, with_offset
from .shape import Amaranth, range_shape


def unpack(
    m: Module,
    code: Amaranth,
    formats: Sequence[FloatFormat],
    *,
    name: str,
    mode: Amaranth | None = None,
    bias: Amaranth | None = None,
    loose: bool = False,
    offset: int | None = None,
) -> Raw:
    """Unpack a code, combinationally.

    Parameters
    ----------
    code : Value
        As wide as the formats, which are all of one width.
    formats : sequence of FloatFormat
        One format, or two, the second where ``mode`` is 1.
    name : str
        Prefix of the signals' names.
    mode : 1 bit, optional
        Needed for two formats.
    bias : signed, optional
        The run-time bias; in place of each format's own.
    loose : bool
        Leave subnormals as they are, with a hidden bit of 0: for users to whom all of them are
        far too small to tell apart.
    offset : int, optional
        That of the exponent, at least; with a run-time bias it is 0.
    """
    biases = [fmt.bias for fmt in formats] + ([] if offset is None else [offset])
    offset = max(biases) if bias is None else 0
    readings = []
    for k, fmt in enumerate(formats):
        prefix = name if len(formats) == 1 else f"{name}{k}"
        readings.append(_unpack_one(m, code, fmt, prefix, loose))
    if bias is None:
        readings = [
            with_offset(m, raw, offset, name if len(readings) == 1 else f"{name}{k}")
            for k, raw in enumerate(readings)
        ]
    else:
        # Exponent fields, from which the bias is subtracted below.
        readings = [
            replace(raw, low=raw.low + raw.offset, high=raw.high + raw.offset, offset=0)
            for raw in readings
        ]
    raw = readings[0]
    if len(readings) == 2:
        assert mode is not None
        raw = select(m, mode, readings[1], readings[0], name)
    ranges = [exponent_range(fmt, bias is not None) for fmt in formats]
    if loose:
        # Subnormals count as values of the lowest normal binade.
        ranges = [
            (high - (fmt.max_code >> fmt.man_bits) + 1 if fmt.zero_exp == "gradual" else low, high)
            for fmt, (low, high) in zip(formats, ranges, strict=True)
        ]
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    exp = raw.exp
    if bias is not None:
        exp = Signal(range_shape(low, high), name=f"{name}_exp")
        m.d.comb += exp.eq(raw.exp - bias)
    return replace(raw, exp=exp, low=low, high=high, offset=offset)


def _unpack_one(m: Module, code: Amaranth, fmt: FloatFormat, name: str, loose: bool) -> Raw:
    """One format; ``exp`` is on the exponent field's scale, its offset the bias."""
    man = code[: fmt.man_bits]
    field = code[fmt.man_bits : fmt.width - 1]
    sign = code[fmt.width - 1]
    low, high = exponent_range(fmt)
    field_zero = wire(m, field == 0, f"{name}_field_zero")
    man_zero = wire(m, man == 0, f"{name}_man_zero")
    mag = code[: fmt.width - 1]

    zero = field_zero if fmt.zero_exp == "flush" else wire(m, field_zero & man_zero, f"{name}_zero")
    nan, inf = specials(m, code, mag, fmt, name)

    exp: Amaranth = field
    if fmt.zero_exp == "gradual" and loose:
        exp = Cat(field[0] | field_zero, field[1:])
        sig = Cat(man, ~field_zero)
        low = 1 - fmt.bias
    elif fmt.zero_exp == "gradual":
        count, shifted = leading_zeros(m, man, f"{name}_man")
        # A subnormal with c leading zeros in its mantissa is worth 2**(-B-c) * 1.xxx.
        exp = Signal(range_shape(low + fmt.bias, high + fmt.bias), name=f"{name}_exp")
        m.d.comb += exp.eq(Mux(field_zero, -count, field))
        fraction = Cat(Const(0, 1), shifted[:-1]) if fmt.man_bits > 1 else Const(0, 1)
        sig = Cat(Mux(field_zero, fraction, man), ~zero)
    else:
        sig = Cat(man, ~zero)
        if fmt.zero_exp == "flush":
            sig = Mux(zero, 0, sig)
    if not fmt.has_neg_zero:
        sign = sign & ~zero
    return Raw(
        nan,
        inf,
        zero,
        wire(m, sign, f"{name}_sign"),
        exp,
        wire(m, sig[: fmt.man_bits + 1], f"{name}_sig"),
        low,
        high,
        fmt.bias,
    )


def specials(
    m: Module, code: Amaranth, mag: Amaranth, fmt: FloatFormat, name: str
) -> tuple[Amaranth, Amaranth]:
    """(nan, inf) of a code, whose magnitude is ``mag``."""
    never = Const(0, 1)
    match fmt.specials:
        case "none":
            return never, never
        case "ieee":
            ones = wire(m, mag[fmt.man_bits :].all(), f"{name}_exp_ones")
            man_zero = wire(m, mag[: fmt.man_bits] == 0, f"{name}_fraction_zero")
            return wire(m, ones & ~man_zero, f"{name}_nan"), wire(m, ones & man_zero, f"{name}_inf")
        case "fn" | "dl":
            return wire(m, mag.all(), f"{name}_nan"), never
        case "fnuz":
            return wire(m, code == fmt.sign_mask, f"{name}_nan"), never
        case _:
            nan = wire(m, code == fmt.sign_mask, f"{name}_nan")
            return nan, wire(m, mag.all(), f"{name}_inf")
