"""Exact multiplication and addition of unpacked numbers."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ..rounding import Rounding
from .raw import Raw, any_of, is_const, leading_zeros, shifted_exp, wire
from .scaled import TABLE_BITS, table
from .shape import Amaranth, add_with_carry, range_shape, zero_extended


def multiply(m: Module, x: Raw, y: Raw, name: str, *, gated: bool = True) -> tuple[Raw, Amaranth]:
    """The exact product, and whether it is invalid (0 x Inf). Combinational.

    The significand has the bits of both, normalised. Unless ``gated``, it is not 0 for a product
    of zero, which saves a gate a bit where the user goes by ``zero`` alone.
    """
    low, high = x.low + y.low, x.high + y.high + 1
    width = len(x.sig) + len(y.sig)
    if width - 2 <= TABLE_BITS:
        # Hidden bits are 1 but for zero, so a table of the fractions gives the normalised product.
        fractions = Cat(x.sig[:-1], y.sig[:-1])
        one_x, one_y = 1 << (len(x.sig) - 1), 1 << (len(y.sig) - 1)
        rows = [(one_x | u) * (one_y | v) for v in range(one_y) for u in range(one_x)]
        full = (1 << width) - 1
        rows = [p << 1 & full if p >> (width - 1) == 0 else p | 1 << width for p in rows]
        looked_up = table(m, fractions, rows, width + 1, f"{name}_table")
        carry, sig = looked_up[-1], looked_up[:-1]
        if gated:
            sig = Mux(x.zero | y.zero, 0, sig)[:width]
    else:
        product = wire(m, x.sig * y.sig, f"{name}_product")
        carry = product[-1]
        sig = Mux(carry, product, Cat(Const(0, 1), product[:-1]))
    sig = wire(m, sig, f"{name}_sig")
    offset = x.offset + y.offset
    exp = Signal(range_shape(low + offset, high + offset), name=f"{name}_exp")
    m.d.comb += exp.eq(add_with_carry(x.exp, y.exp, carry))
    infinite = any_of(x.inf, y.inf)
    zero = x.zero | y.zero
    bad: Amaranth = Const(0, 1)
    nan = any_of(x.nan, y.nan)
    if not is_const(infinite):
        bad = wire(m, infinite & zero & ~nan, f"{name}_invalid")
        infinite = wire(m, infinite & ~zero & ~nan, f"{name}_inf")
        zero = zero & ~any_of(x.inf, y.inf)
    if not is_const(nan):
        zero = zero & ~nan
    raw = Raw(
        wire(m, any_of(nan, bad), f"{name}_nan"),
        infinite,
        wire(m, zero, f"{name}_zero"),
        wire(m, x.sign ^ y.sign, f"{name}_sign"),
        exp,
        sig,
        low,
        high,
        offset,
    )
    return raw, bad


def add(m: Module, x: Raw, y: Raw, rounding: Rounding, name: str) -> tuple[Raw, Amaranth]:
    """The sum, and whether it is invalid (Inf - Inf). Combinational.

    Exact but for the lowest bit of the significand, which is the sticky bit of everything
    below it. Bits are lost only where the smaller operand lies so far below the larger one that
    at most one leading bit cancels; the result then has at least 2*D + 1 bits above that sticky
    bit, D the wider operand's bits, so any rounding to D + 1 bits or fewer is right. The sign of
    an exact zero sum is that of IEEE 754-2019 section 6.3.
    """
    widest = max(len(x.sig), len(y.sig))
    x, y = replace(x, exp=shifted_exp(x, 0), offset=0), replace(y, exp=shifted_exp(y, 0), offset=0)
    total = 2 * widest + 2
    bigger = (y.exp > x.exp) | ((y.exp == x.exp) & (_top(y, widest) > _top(x, widest)))
    swap = wire(m, ~y.zero & (x.zero | bigger), f"{name}_swap")
    low, high = min(x.low, y.low), max(x.high, y.high)
    shape = range_shape(low, high)
    large_exp = Signal(shape, name=f"{name}_large_exp")
    large = wire(m, Mux(swap, _top(y, widest), _top(x, widest)), f"{name}_large")
    small = wire(m, Mux(swap, _top(x, widest), _top(y, widest)), f"{name}_small")
    m.d.comb += large_exp.eq(Mux(swap, y.exp, x.exp))
    small_exp = Mux(swap, x.exp, y.exp)
    distance = wire(m, large_exp - small_exp, f"{name}_distance")
    farthest = max(x.high - y.low, y.high - x.low)
    beyond_reach = distance > total if farthest > total else Const(0, 1)
    far = wire(m, any_of(beyond_reach, distance < 0), f"{name}_far")
    bits = total.bit_length()
    near = distance[:bits]

    wide = Cat(Const(0, total), small)
    beyond = Cat(small.any(), Const(0, len(wide) - 1))
    shifted = wire(m, Mux(far, beyond, wide >> near), f"{name}_shifted")
    lost = shifted[:widest].any()
    aligned = Cat(lost, shifted[widest:])
    anchored = Cat(Const(0, 1), zero_extended(large, total))
    subtract = wire(m, x.sign ^ y.sign, f"{name}_subtract")
    result = wire(
        m,
        Mux(subtract, anchored - aligned, anchored + aligned)[: total + 2],
        f"{name}_result",
    )
    count, sig = leading_zeros(m, result, f"{name}_norm")
    cancelled = wire(m, result == 0, f"{name}_cancelled")
    # Both are multiples of 2**(low - widest + 1), so a sum that is not zero is no smaller.
    sum_low, sum_high = low - widest + 1, high + 1
    exp = Signal(range_shape(sum_low, sum_high), name=f"{name}_exp")
    m.d.comb += exp.eq(large_exp + 1 - count)

    zero_sign = x.sign & y.sign
    if rounding.mode == "RDN":
        zero_sign = x.sign | y.sign
    large_sign = Mux(swap, y.sign, x.sign)
    sign = Mux(cancelled, zero_sign, large_sign)
    nan, bad = any_of(x.nan, y.nan), Const(0, 1)
    infinite = any_of(x.inf, y.inf)
    if not is_const(infinite):
        sign = Mux(x.inf, x.sign, Mux(y.inf, y.sign, sign))
        bad = wire(m, x.inf & y.inf & subtract, f"{name}_invalid")
        infinite = wire(m, infinite & ~bad & ~nan, f"{name}_inf")
        nan = any_of(nan, bad)
    zero = cancelled & ~any_of(nan, infinite)
    raw = Raw(
        wire(m, nan, f"{name}_nan"),
        infinite,
        wire(m, zero, f"{name}_zero"),
        wire(m, sign, f"{name}_sign"),
        exp,
        sig,
        sum_low,
        sum_high,
    )
    return raw, bad


def _top(raw: Raw, width: int) -> Amaranth:
    """The significand with zeros below it, so that hidden bits line up."""
    return zero_extended(raw.sig, width)
