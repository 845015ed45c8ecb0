"""The one floating-point adder: exact but for a sticky bit, in stages where that is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ...rounding import Rounding
from .pipeline import Register, prefixed
from .raw import Raw, any_of, choose, is_const, leading_zeros, wire, with_offset
from .shape import Amaranth, add_with_carry, at_least, less, plus, range_shape, zero_extended

CUTS = ("ordered", "operands", "aligned", "sum", "coarse", "normalised")
"""Where `add` can be cut, from its inputs to its result, which is cut by the last."""

Cuts = Callable[[str], Register]


class Sum(NamedTuple):
    """What `add` gives.

    Members
    -------
    raw : Raw
        The sum.
    invalid : 1 bit
        Inf - Inf.
    large, small : Raw
        The operands in order of their magnitudes, delayed alike; only ``zero``, ``sign``, ``exp``
        and ``sig`` mean something.
    lost : 1 bit
        Whether bits of the smaller one went into the sticky bit.
    """

    raw: Raw
    invalid: Amaranth
    large: Raw
    small: Raw
    lost: Amaranth


def uncut(_: str) -> Register:
    """The cuts of combinational logic."""
    return lambda _, value: value


def add(
    m: Module,
    x: Raw,
    y: Raw,
    rounding: Rounding,
    name: str,
    *,
    cut: Cuts = uncut,
    precision: int | None = None,
    lsb: int | None = None,
    loose: bool = False,
    whole: bool = False,
) -> Sum:
    """The sum.

    Exact but for the lowest bit of the significand, which is the sticky bit of everything below
    it. Bits are lost only where the smaller operand lies so far below the larger one that at most
    one leading bit cancels; above that sticky bit are then the wider operand's bits, and at least
    ``precision`` and one more: enough for any rounding to so many bits. The sign of an exact
    zero sum is that of IEEE 754-2019 section 6.3.

    Parameters
    ----------
    cut : callable
        Gives the registers of a cut by its name, one of `CUTS`; each is crossed once, in order.
    precision : int, optional
        Bits that the sum will be rounded to, and random bits below them; by default those of the
        wider operand.
    lsb : int, optional
        Both operands are known to be multiples of ``2**lsb``.
    loose : bool
        Subnormals are as they are, hidden bit 0, with the lowest exponent of one format.
    whole : bool
        Output all bits of the sum, not only those that ``precision`` asks for.
    """
    digits = max(len(x.sig), len(y.sig))
    below = 2 if precision is None else max(0, precision + 2 - digits)
    offset = max(x.offset, y.offset)
    x, y = with_offset(m, x, offset, f"{name}_x"), with_offset(m, y, offset, f"{name}_y")

    low, high = min(x.low, y.low), max(x.high, y.high)
    exponents = range_shape(low + offset, high + offset)

    def key(raw: Raw, which: str) -> Amaranth:
        sig = zero_extended(raw.sig, digits)
        exp = Signal(exponents, name=f"{name}_key_{which}")
        m.d.comb += exp.eq(raw.exp)
        # In the order of unsigned integers.
        sign = Const(0, 0) if low + offset >= 0 else ~exp[-1]
        return Cat(sig if loose else sig[:-1], exp[:-1], sign)

    bigger = wire(m, less(key(x, "x"), key(y, "y")), f"{name}_bigger")
    swap = wire(m, ~y.zero & (x.zero | bigger), f"{name}_swap")

    cross = cut("ordered")
    swap = cross("swap", swap)
    x, y = x.through(prefixed(cross, "x_")), y.through(prefixed(cross, "y_"))
    large_exp = Signal(exponents, name=f"{name}_large_exp")
    m.d.comb += large_exp.eq(Mux(swap, y.exp, x.exp))
    small_exp = Signal(exponents, name=f"{name}_small_exp")
    m.d.comb += small_exp.eq(Mux(swap, x.exp, y.exp))
    sig_x, sig_y = zero_extended(x.sig, digits), zero_extended(y.sig, digits)
    large = wire(m, Mux(swap, sig_y, sig_x), f"{name}_large")
    alone = x.zero | y.zero
    small = wire(m, Mux(alone, 0, Mux(swap, sig_x, sig_y))[:digits], f"{name}_small")
    # As neither exponent means anything with a zero, neither does the distance; `small` is 0.
    distance = wire(m, (large_exp - small_exp)[: len(large_exp)], f"{name}_distance")
    subtract = wire(m, x.sign ^ y.sign, f"{name}_subtract")
    zero_sign = x.sign | y.sign if rounding.mode == "RDN" else x.sign & y.sign
    sign: Amaranth = Mux(swap, y.sign, x.sign)
    nan, bad, infinite = any_of(x.nan, y.nan), Const(0, 1), any_of(x.inf, y.inf)
    if not is_const(infinite):
        sign = Mux(x.inf, x.sign, choose(y.inf, y.sign, sign))
        bad = wire(m, x.inf & y.inf & subtract & ~nan, f"{name}_invalid")
        infinite = wire(m, infinite & ~bad & ~nan, f"{name}_inf")
        nan = any_of(nan, bad)
    side = {
        "exp": large_exp,
        "subtract": subtract,
        "sign": wire(m, sign, f"{name}_sign_if"),
        "zero_sign": wire(m, zero_sign, f"{name}_sign_if_zero"),
        "empty": wire(m, x.zero & y.zero, f"{name}_empty"),
        "nan": wire(m, nan, f"{name}_nan"),
        "inf": infinite,
        "bad": bad,
        "large_sig": large,
        "large_sign": wire(m, Mux(swap, y.sign, x.sign), f"{name}_large_sign"),
        "small_sig": small,
        "small_sign": wire(m, Mux(swap, x.sign, y.sign), f"{name}_small_sign"),
        "small_exp": small_exp,
        "alone": wire(m, alone, f"{name}_alone"),
    }

    cross = cut("operands")
    side = {n: cross(n, v) for n, v in side.items()}
    distance = cross("distance", distance)
    value, lost = _align(m, side["small_sig"], distance, x, y, below, name)

    # The last place waits for the adder's stage, where it shares the LUTs of the inversion.
    cross = cut("aligned")
    side = {n: cross(n, v) for n, v in side.items()}
    by, value, lost = cross("by", distance[0]), cross("value", value), cross("gone", lost)
    side["lost"] = wire(m, any_of(lost, by & value[0]), f"{name}_lost")
    aligned = wire(m, Mux(by, value[1:], value)[: len(value)], f"{name}_right")
    anchored = Cat(Const(0, below + 1), side["large_sig"], Const(0, 1))
    addend = Cat(side["lost"], aligned, Const(0, 1)) ^ side["subtract"].replicate(len(anchored))
    addend = wire(m, addend, f"{name}_addend")
    # The larger less the smaller is not negative, so the carry out of the top says nothing.
    result = add_with_carry(anchored, addend, side["subtract"])[: len(anchored)]
    result = wire(m, result, f"{name}_result")

    cross = cut("sum")
    side = {n: cross(n, v) for n, v in side.items()}
    result = cross("result", result)
    # More than two leading zeros come from operands at most one place apart, which leave zeros
    # below.
    keep = None if whole else (digits if precision is None else precision) + 1
    # Long ones are shifted in two even steps; where the last bits are still, all but two at once.
    most = 4 if 16 < len(result) <= 32 and not below else 2
    coarse, result = leading_zeros(
        m, result, f"{name}_coarse", least=2 * most, still=below, keep=keep
    )

    cross = cut("coarse")
    side = {n: cross(n, v) for n, v in side.items()}
    coarse, result = cross("count", coarse), cross("result", result)
    fine, sig = leading_zeros(m, result, f"{name}_fine", most=most, keep=keep)
    count = Cat(fine, coarse)
    # Both are multiples of 2**(low - digits + 1), so a sum that is not zero is no smaller.
    sum_low = low - digits + 1 if lsb is None else max(low - digits + 1, lsb)
    exp = Signal(range_shape(sum_low + offset, high + 1 + offset), name=f"{name}_exp")
    # 1 - count, by ~count = -count - 1.
    up = plus(Cat(~count, Const(1, 1)), 2, len(count) + 1).as_signed()
    m.d.comb += exp.eq(side["exp"] + up)
    nan, infinite = side["nan"], side["inf"]
    nothing = side["empty"] | ~sig[-1]
    special = any_of(nan, infinite)
    zero = wire(m, nothing if is_const(special) else nothing & ~special, f"{name}_zero")
    cross = cut("normalised")
    raw = Raw(
        nan,
        infinite,
        zero,
        wire(m, Mux(zero, side["zero_sign"], side["sign"]), f"{name}_sign"),
        exp,
        sig,
        sum_low,
        high + 1,
        offset,
    )
    side = {n: cross(n, v) for n, v in side.items()}
    never = Const(0, 1)
    larger = Raw(
        never, never, side["empty"], side["large_sign"], side["exp"], side["large_sig"],
        low, high, offset,
    )  # fmt: skip
    smaller = Raw(
        never, never, side["alone"], side["small_sign"], side["small_exp"], side["small_sig"],
        low, high, offset,
    )  # fmt: skip
    return Sum(raw.through(cross), side["bad"], larger, smaller, side["lost"])


def _align(
    m: Module, small: Amaranth, distance: Amaranth, x: Raw, y: Raw, below: int, name: str
) -> tuple[Amaranth, Amaranth]:
    """(``small`` with ``below`` bits more shifted right by ``distance`` less its lowest bit, the
    sticky bit of what is lost)."""
    digits = len(small)
    farthest = max(x.high - y.low, y.high - x.low)
    most = digits + below  # from here on there is nothing left but the sticky bit
    value = Cat(Const(0, below), small)
    lost: Amaranth = Const(0, 1)
    for k in reversed(range(1, most.bit_length())):
        step = 1 << k
        if step > farthest:
            continue
        by = distance[k]
        gone = value[:step].any()
        lost = wire(m, any_of(lost, by & gone), f"{name}_lost{step}")
        value = wire(m, Mux(by, value[step:], value)[: len(value)], f"{name}_right{step}")
    reach = 1 << most.bit_length()
    if farthest >= reach:
        far = wire(m, at_least(distance, reach), f"{name}_far")
        lost = Mux(far, small.any(), lost)
        value = Mux(far, 0, value)[: len(value)]
    return value, lost
