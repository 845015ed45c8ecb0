"""From a finished fixed-point sum to a normalised number, in a pipeline's stages."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ...formats import RUNTIME_BIAS_RANGE
from ..numbers.pipeline import Pipeline
from ..numbers.raw import Raw, any_of, is_const, leading_zeros, wire
from ..numbers.shape import Amaranth, add_with_carry, range_shape
from .fixed_sum import Addend

NORMALISE_CUTS = ("magnitude", "coarse", "half", "normalised")
"""The cuts that `normalised` crosses."""


def normalised(
    m: Module,
    pipe: Pipeline,
    total: Addend,
    lsb: int,
    keep: int | None = None,
    coarse: bool = False,
) -> tuple[Raw, Amaranth]:
    """(the sum as a number, whether infinities of both signs met), across `NORMALISE_CUTS`.

    Parameters
    ----------
    total : Addend
        The sum in two's complement.
    lsb : int
        The exponent of its lowest bit; run-time biases, under ``bias`` in ``pipe.carried``, are
        subtracted.
    keep : int, optional
        So many bits matter each for itself: those below become one sticky bit.
    coarse : bool
        Whether the two largest shifts are cut off from the others, by the cut of that name.

    ``pipe.carried`` also has ``nan``, ``zero_sign`` (the sign of a sum that is zero) and, where
    there are infinities, ``plus_inf`` and ``minus_inf``.
    """
    negative = total.bits[-1]
    # -(bits + carry) = ~bits + 1 - carry.
    bits = total.bits ^ negative.replicate(len(total.bits))
    mag = add_with_carry(bits.as_unsigned(), Const(0, 1), total.carry ^ negative)
    mag = wire(m, mag[: len(bits)], "magnitude")
    pipe.carried["negative"] = negative
    mag = pipe.cut("magnitude")("magnitude", mag)
    width = len(mag)
    levels = (width - 1).bit_length()
    least = 1 << (levels // 2 // 2 * 2)
    high: Amaranth = Cat()
    most = None
    if coarse and levels > 4:
        most, least = 1 << (levels - 3), 4
        high, mag = leading_zeros(m, mag, "highest", least=2 * most, keep=keep)
        cut = pipe.cut("coarse")
        high, mag = cut("highest", high), cut("magnitude", mag)
    elif coarse:
        mag = pipe.cut("coarse")("magnitude", mag)
    middle, mag = leading_zeros(m, mag, "coarse", most=most, least=least, keep=keep)
    cut = pipe.cut("half")
    high, mag = cut("count", Cat(middle, high)), cut("magnitude", mag)
    low, sig = leading_zeros(m, mag, "fine", most=least >> 1, keep=keep)
    carried = pipe.carried
    top = lsb + width - 1
    bottom = lsb
    exp: Amaranth = top - Cat(low, high)
    if "bias" in carried:
        exp = exp - carried["bias"]
        top, bottom = top - 2 * RUNTIME_BIAS_RANGE[0], bottom - 2 * RUNTIME_BIAS_RANGE[1]
    shaped = Signal(range_shape(bottom, top), name="total_exp")
    m.d.comb += shaped.eq(exp)
    never = Const(0, 1)
    plus_inf = carried.get("plus_inf", never)
    minus_inf = carried.get("minus_inf", never)
    nan = carried["nan"]
    clash = never if is_const(plus_inf) else wire(m, plus_inf & minus_inf & ~nan, "clash")
    infinite = plus_inf if is_const(plus_inf) else (plus_inf ^ minus_inf) & ~nan
    nan = any_of(nan, clash)
    special = any_of(nan, infinite)
    zero = ~sig[-1] if is_const(special) else ~sig[-1] & ~special
    sign = Mux(zero, carried["zero_sign"], carried["negative"])
    if not is_const(infinite):
        sign = Mux(infinite, minus_inf, sign)
    cut = pipe.cut("normalised")
    raw = Raw(
        nan, infinite, wire(m, zero, "total_zero"), wire(m, sign, "total_sign"), shaped, sig,
        bottom, top,
    ).through(cut)  # fmt: skip
    return raw, cut("clash", clash)
