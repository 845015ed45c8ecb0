"""The one unpack: codes of one format, or of several by a mode input, to `Raw`."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ..formats import FloatFormat
from ..products import exponent_range
from .raw import Raw, choose, leading_zeros, wire
from .shape import Amaranth, range_shape, zero_extended


def unpack(
    m: Module,
    code: Amaranth,
    formats: Sequence[FloatFormat],
    *,
    name: str,
    mode: Amaranth | None = None,
    bias: Amaranth | None = None,
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
    """
    readings = []
    for k, fmt in enumerate(formats):
        prefix = name if len(formats) == 1 else f"{name}{k}"
        readings.append(_unpack_one(m, code, fmt, prefix, bias is not None))
    if len(readings) == 1:
        raw = readings[0]
    else:
        assert mode is not None
        raw = _select(m, mode, readings[1], readings[0], name)
    low, high = _range(formats, bias is not None)
    if bias is not None:
        exp = Signal(range_shape(low, high), name=f"{name}_exp")
        m.d.comb += exp.eq(raw.exp - bias)
    else:
        exp = raw.exp
    return Raw(raw.nan, raw.inf, raw.zero, raw.sign, exp, raw.sig, low, high)


def _range(formats: Sequence[FloatFormat], runtime: bool) -> tuple[int, int]:
    ranges = [exponent_range(fmt, runtime) for fmt in formats]
    return min(r[0] for r in ranges), max(r[1] for r in ranges)


def _unpack_one(m: Module, code: Amaranth, fmt: FloatFormat, name: str, runtime: bool) -> Raw:
    """One format; with a run-time bias ``exp`` is left unbiased (the exponent field's scale)."""
    man = code[: fmt.man_bits]
    field = code[fmt.man_bits : fmt.width - 1]
    sign = code[fmt.width - 1]
    bias = 0 if runtime else fmt.bias
    low, high = exponent_range(fmt.with_bias(bias))
    field_zero = wire(m, field == 0, f"{name}_field_zero")
    man_zero = man == 0
    mag = code[: fmt.width - 1]

    zero = field_zero if fmt.zero_exp == "flush" else wire(m, field_zero & man_zero, f"{name}_zero")
    nan, inf = _specials(m, code, mag, fmt, name)

    exp = Signal(range_shape(low, high), name=f"{name}_unbiased" if runtime else f"{name}_exp")
    if fmt.zero_exp == "gradual":
        count, shifted = leading_zeros(m, man, f"{name}_man")
        # A subnormal with c leading zeros in its mantissa is worth 2**(-B-c) * 1.xxx.
        m.d.comb += exp.eq(Mux(field_zero, -bias - count, field - bias))
        fraction = Cat(Const(0, 1), shifted[:-1]) if fmt.man_bits > 1 else Const(0, 1)
        sig = Cat(Mux(field_zero, fraction, man), ~zero)
    else:
        m.d.comb += exp.eq(field - bias)
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
    )


def _specials(
    m: Module, code: Amaranth, mag: Amaranth, fmt: FloatFormat, name: str
) -> tuple[Amaranth, Amaranth]:
    """(nan, inf)."""
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
    exp = Signal(range_shape(low, high), name=f"{name}_selected_exp")
    m.d.comb += exp.eq(Mux(mode, one.exp, other.exp))
    sig = Mux(mode, zero_extended(one.sig, width), zero_extended(other.sig, width))
    return Raw(
        wire(m, choose(mode, one.nan, other.nan), f"{name}_nan"),
        wire(m, choose(mode, one.inf, other.inf), f"{name}_inf"),
        wire(m, choose(mode, one.zero, other.zero), f"{name}_zero"),
        wire(m, choose(mode, one.sign, other.sign), f"{name}_sign"),
        exp,
        wire(m, sig, f"{name}_sig"),
        low,
        high,
    )
