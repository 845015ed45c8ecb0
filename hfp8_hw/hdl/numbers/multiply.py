"""Exact multiplication of unpacked numbers."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from .raw import TABLE_BITS, Raw, any_of, is_const, table, wire
from .shape import Amaranth, add_with_carry, range_shape


def multiply(m: Module, x: Raw, y: Raw, name: str) -> tuple[Raw, Amaranth]:
    """The exact product, and whether it is invalid (0 x Inf). Combinational.

    The significand has the bits of both, normalised. It may not be 0 for a product of zero, which
    saves a gate a bit.
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
