"""Fused dot products: several products and the accumulator, rounded once."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Cat, Module, Mux, Signal

from ..numbers.add import add
from ..numbers.pipeline import Pipeline, Register
from ..numbers.raw import Raw, any_of, wire, with_offset
from ..numbers.round import Rounded
from ..numbers.shape import Amaranth, range_shape, zero_extended
from ..numbers.stream_unit import lane_tags
from ..sums.exact_products import exact_products
from ..sums.normalise import normalised
from ..sums.scaled import Scaled
from .mac import Mac, Term
from .mul import product_stages


class PairDot(Mac):
    """Sums two products an item, with one rounding for both.

    Golden function: `hfp8_hw.golden.dot` with ``fmma``: acc' = round(acc + a0*b0 + a1*b1), the
    exact sum of three. ``first``, ``last``, ``interleave`` and the latency are as in `Mac` with
    ``fma``; ``stages`` counts the registers ahead of the loop, and one.

    The products are added first, with as many bits below the larger one as can matter after the
    accumulator is added. Beyond that the sum is right but for two cases, which are looked for:
    the accumulator cancels the larger product, and the smaller is left; it cancels the smaller
    one, and the larger is left.

    Members
    -------
    i : stream of ``a0``, ``a1``, ``b0``, ``b1`` (codes), ``mode_a``, ``mode_b`` (for HFP8
        operands), ``bias_a``, ``bias_b`` (``bias=runtime``), ``first``, ``last``
    o : stream of ``y`` (code of ``acc``), ``flags`` (overflow, underflow, inexact, invalid; each
        ORed over all roundings of the sum)
    """

    units = ("dot",)
    semantics = ("fmma",)

    @property
    def _cuts(self) -> tuple[str, ...]:
        return (
            "pair_sum", "product", "pair_operands", "pair_normalised", "pair_coarse",
            "pair_aligned", "unpack", "pair_ordered", "input",
        )  # fmt: skip

    def _term(self, m: Module, pipe: Pipeline) -> Term:
        p = self.parameters
        fmt = p.acc_format
        both = [
            product_stages(m, pipe, self.i.payload, p, ("first", "last"), fmt.bias, tag)
            for tag in lane_tags(p)
        ]
        (x, bad_x, frame), (y, bad_y, _) = both
        pipe.carried = {**frame, "bad": any_of(bad_x, bad_y)}
        bits, precision = len(x.sig), fmt.man_bits + 1
        # What is left where the accumulator cancels the larger product, but not all of it, is a
        # multiple of 2**(exp - max(bits - 1, precision)), exp the larger one's: enough bits below
        # that for a rounding and its sticky bit.
        wanted = max(bits - 1, precision) + precision + 1
        lsb = x.low - bits + 1

        def cut(name: str) -> Register:
            return pipe.cut(f"pair_{name}")

        pair = add(m, x, y, p.rounding_mode, "pair", cut=cut, precision=wanted, lsb=lsb, whole=True)
        carried = pipe.carried
        return Term(
            pair.raw, carried["bad"], carried["first"], carried["last"], lsb, pair.invalid, pair
        )

    def _beside(self, m: Module, x: Raw, term: Term, have: Amaranth) -> dict[str, Amaranth]:
        pair = term.pair
        assert pair is not None
        # The fields of an infinity are no number to compare.
        p = self.parameters
        live = have & pair.lost & ~x.zero
        if any(f.has_inf for f in (p.acc_format, *p.a_formats, *p.b_formats)):
            live &= ~any_of(x.inf, pair.large.inf)
        live = wire(m, live, "pair_lost_now")
        small = pair.small
        return {
            "keeps_small": live & _opposite(x, pair.large),
            "keeps_large": live & _opposite(x, small),
            "small_sign": small.sign,
            "small_exp": small.exp,
            "small_sig": small.sig,
        }

    def _mended(self, m: Module, carried: dict[str, Amaranth], total: Raw) -> Raw:
        keeps = carried.pop("keeps_small")
        sign, sig = carried.pop("small_sign"), carried.pop("small_sig")
        exp = Signal(
            range_shape(total.low + total.offset, total.high + total.offset), name="mended_exp"
        )
        m.d.comb += exp.eq(Mux(keeps, carried.pop("small_exp"), total.exp))
        wide = zero_extended(sig, len(total.sig))
        return replace(
            total,
            zero=wire(m, total.zero & ~keeps, "mended_zero"),
            sign=wire(m, Mux(keeps, sign, total.sign), "mended_sign"),
            exp=exp,
            sig=wire(m, Mux(keeps, wide, total.sig), "mended_sig"),
        )

    def _flags_mended(self, carried: dict[str, Amaranth], rounded: Rounded) -> Rounded:
        # The larger product has fewer bits than the accumulator: it is exact unless too large.
        exact = carried.pop("keeps_large")
        overflow, underflow, inexact, invalid = rounded.flags
        flags = Cat(overflow, underflow, inexact & (~exact | overflow), invalid)
        return rounded._replace(flags=flags)


class WideDot(Mac):
    """Sums several products an item, with one rounding for all.

    Golden function: `hfp8_hw.golden.dot` with ``dotN``: acc' = round(acc + a0*b0 + a1*b1 + ...),
    the exact sum of all. ``first``, ``last``, ``interleave`` and the latency are as in `Mac` with
    ``fma``; ``stages`` counts the registers ahead of the loop, and one.

    The products are summed in fixed point and normalised; the loop's adder is as wide as that.

    Members
    -------
    i : stream of ``a0``, ``a1`` ..., ``b0``, ``b1`` ... (codes), ``mode_a``, ``mode_b`` (for HFP8
        operands), ``bias_a``, ``bias_b`` (``bias=runtime``), ``first``, ``last``
    o : stream of ``y`` (code of ``acc``), ``flags`` (overflow, underflow, inexact, invalid; each
        ORed over all roundings of the sum)
    """

    units = ("dot",)
    semantics = ("dotN",)

    @property
    def _cuts(self) -> tuple[str, ...]:
        levels = (self.parameters.products - 1).bit_length()
        tree = [f"tree{k}" for k in range(levels)]
        return ("magnitude", "product", *tree, "half", "shift", "normalised", "unpack", "input")

    def _term(self, m: Module, pipe: Pipeline) -> Term:
        p = self.parameters
        total = exact_products(m, pipe, self.i.payload, p, self._notes)
        raw, clash = normalised(m, pipe, total, p.fixed.lsb)
        raw = with_offset(m, raw, p.acc_format.bias, "total")
        carried = pipe.carried
        return Term(raw, carried["invalid"], carried["first"], carried["last"], raw.low, clash)

    def _notes(self, products: list[Scaled]) -> dict[str, Amaranth]:
        """The sign of a sum that is zero, before the accumulator is added."""
        signed = [(t.sign, any_of(t.zero, t.sig == 0)) for t in products]
        if self.parameters.rounding_mode.mode == "RDN":
            return {"zero_sign": any_of(*(sign | ~zero for sign, zero in signed))}
        return {"zero_sign": ~any_of(*(~(sign & zero) for sign, zero in signed))}


def _opposite(x: Raw, y: Raw) -> Amaranth:
    """Whether two numbers that are not zero, of one offset, are each other's negative."""
    width = max(len(x.sig), len(y.sig))
    same = (x.exp == y.exp) & (zero_extended(x.sig, width) == zero_extended(y.sig, width))
    return same & (x.sign ^ y.sign)
