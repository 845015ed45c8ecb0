"""The one unpack: codes of one format, or of several by a mode input, to `Raw`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ..formats import FloatFormat
from ..products import exponent_range
from .raw import Raw, choose, leading_zeros, wire
from .shape import Amaranth, plus, range_shape, zero_extended


def unpack(
    m: Module,
    code: Amaranth,
    formats: Sequence[FloatFormat],
    *,
    name: str,
    mode: Amaranth | None = None,
    bias: Amaranth | None = None,
    loose: bool = False,
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
    """
    offset = 0 if bias is not None else max(fmt.bias for fmt in formats)
    readings = []
    for k, fmt in enumerate(formats):
        prefix = name if len(formats) == 1 else f"{name}{k}"
        readings.append(_unpack_one(m, code, fmt, prefix, loose))
    if len(readings) == 1:
        raw = readings[0]
    else:
        assert mode is not None
        if bias is None:
            readings = [_with_offset(raw, offset) for raw in readings]
        raw = _select(m, mode, readings[1], readings[0], name)
    ranges = [exponent_range(fmt, bias is not None) for fmt in formats]
    if loose:
        # Subnormals count as values of the lowest normal binade.
        ranges = [
            (max(low, high - (fmt.max_code >> fmt.man_bits) + 1), high)
            for fmt, (low, high) in zip(formats, ranges, strict=True)
        ]
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    exp = raw.exp
    if bias is not None:
        exp = Signal(range_shape(low, high), name=f"{name}_exp")
        m.d.comb += exp.eq(raw.exp - bias)
    return replace(raw, exp=exp, low=low, high=high, offset=offset)


def _with_offset(raw: Raw, offset: int) -> Raw:
    """The same number with a larger offset."""
    more = offset - raw.offset
    if more == 0:
        return raw
    low, high = raw.low + offset, raw.high + offset
    if low < 0:
        return replace(raw, exp=raw.exp + more, offset=offset)
    return replace(raw, exp=plus(raw.exp.as_unsigned(), more, high.bit_length()), offset=offset)


def _unpack_one(m: Module, code: Amaranth, fmt: FloatFormat, name: str, loose: bool) -> Raw:
    """One format; ``exp`` is on the exponent field's scale, its offset the bias."""
    man = code[: fmt.man_bits]
    field = code[fmt.man_bits : fmt.width - 1]
    sign = code[fmt.width - 1]
    low, high = exponent_range(fmt)
    field_zero = wire(m, field == 0, f"{name}_field_zero")
    man_zero = man == 0
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
            man_zero = mag[: fmt.man_bits] == 0
            return wire(m, ones & ~man_zero, f"{name}_nan"), wire(m, ones & man_zero, f"{name}_inf")
        case "fn" | "dl":
            return wire(m, mag.all(), f"{name}_nan"), never
        case "fnuz":
            return wire(m, code == fmt.sign_mask, f"{name}_nan"), never
        case _:
            nan = wire(m, code == fmt.sign_mask, f"{name}_nan")
            return nan, wire(m, mag.all(), f"{name}_inf")


def _select(m: Module, mode: Amaranth, one: Raw, other: Raw, name: str) -> Raw:
    """``one`` where ``mode`` is 1, else ``other``, significands aligned at the hidden bit."""
    width = max(len(one.sig), len(other.sig))
    low, high = min(one.low, other.low), max(one.high, other.high)
    sig = Mux(mode, zero_extended(one.sig, width), zero_extended(other.sig, width))
    return Raw(
        wire(m, choose(mode, one.nan, other.nan), f"{name}_nan"),
        wire(m, choose(mode, one.inf, other.inf), f"{name}_inf"),
        wire(m, choose(mode, one.zero, other.zero), f"{name}_zero"),
        wire(m, choose(mode, one.sign, other.sign), f"{name}_sign"),
        wire(m, Mux(mode, one.exp, other.exp), f"{name}_selected_exp"),
        wire(m, sig, f"{name}_sig"),
        low,
        high,
    )
