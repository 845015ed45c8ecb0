"""Rounds fixed-point sums, one a clock: the way of `serial_rounder` where sums are short."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux

from ...fixed import FixedPoint
from ..numbers.pipeline import Pipeline, Register, prefixed
from ..numbers.raw import Raw, any_of, is_const, wire
from ..numbers.round import Rounded, Rounder
from ..numbers.shape import Amaranth, range_shape
from .serial_rounder import FinishedSum, specials_of

CUTS = ("magnitude", "normal0", "normal1", "place", "align", "output")
"""The cuts that `ParallelRounder` crosses, in this order."""


@dataclass(frozen=True)
class ParallelRounder:
    """The sum's magnitude, its normalization by a logarithmic shifter, and the rounder.

    Parameters
    ----------
    rounder : Rounder
        To the format of the results.
    fixed : FixedPoint
        The geometry of the sums.
    """

    rounder: Rounder
    fixed: FixedPoint

    def build(self, m: Module, pipe: Pipeline, item: FinishedSum, name: str) -> Rounded:
        """Cross the pipeline's `CUTS` with a sum; several may do so side by side.

        ``item.valid``, ``first`` and ``last`` are not looked at: the pipeline has them.
        """
        assert item.bias is None
        nan, infinite, invalid = specials_of(
            m, item.nan, item.plus_inf, item.minus_inf, item.invalid, name
        )
        sign = item.total[-1]
        negative = wire(m, sign, f"{name}_negative")
        mag = (item.total ^ sign.replicate(len(item.total)))[:] + negative
        mag = wire(m, mag[: self.fixed.width], f"{name}_mag")

        def register(cut: Register, values: dict[str, Amaranth]) -> dict[str, Amaranth]:
            return {n: cut(n, v) for n, v in values.items()}

        notes = {"nan": nan, "infinite": infinite, "invalid": invalid, "negative": negative,
                 "minus_inf": item.minus_inf, "minus_zero": item.minus_zero}  # fmt: skip
        cut = prefixed(pipe.cut("magnitude"), f"{name}_")
        notes, mag = register(cut, notes), cut("mag", mag)
        sizes = [1 << k for k in reversed(range((self.fixed.width - 1).bit_length()))]
        half = (len(sizes) + 1) // 2
        count: list[Amaranth] = []
        for part, some in enumerate((sizes[:half], sizes[half:])):
            for size in some:
                empty = wire(m, ~mag[-size:].any(), f"{name}_empty{size}")
                mag = wire(m, Mux(empty, mag << size, mag)[: self.fixed.width],
                           f"{name}_by{size}")  # fmt: skip
                count.insert(0, empty)
            cut = prefixed(pipe.cut(f"normal{part}"), f"{name}_")
            notes, mag = register(cut, notes), cut("mag", mag)
            count = [cut(f"count{len(count) - k}", bit) for k, bit in enumerate(count)]
        return self._round(m, pipe, notes, mag, Cat(*count), name)

    def _round(
        self, m: Module, pipe: Pipeline, notes: dict[str, Amaranth], mag: Amaranth,
        count: Amaranth, name: str,
    ) -> Rounded:  # fmt: skip
        fmt = self.rounder.fmt
        keep = fmt.man_bits + 2
        sig = mag
        if len(mag) > keep + 1:
            sig = wire(m, Cat(mag[:-keep].any(), mag[-keep:]), f"{name}_sig")
        low, high = self.fixed.lsb, self.fixed.lsb + self.fixed.width - 1
        offset = fmt.bias
        shape = range_shape(low + offset, high + offset)
        exp = wire(m, (high + offset - count).as_signed()[: shape.width].as_signed(), f"{name}_exp")
        nan, infinite = notes["nan"], notes["infinite"]
        zero = wire(m, ~mag[-1] & ~any_of(nan, infinite), f"{name}_zero")
        sign = notes["negative"]
        if not is_const(infinite):
            sign = Mux(infinite, notes["minus_inf"], sign)
        if not is_const(notes["minus_zero"]):
            sign = Mux(zero, notes["minus_zero"], sign)
        raw = Raw(nan, infinite, zero, sign, exp, sig, low, high, offset)

        def cut(stage: str) -> Register:
            return prefixed(pipe.cut(stage), f"{name}_")

        rounded = self.rounder.build(m, raw, name=name, invalid=notes["invalid"], cut=cut)
        last = cut("output")
        return Rounded(last("y", rounded.code), last("flags", rounded.flags), rounded.nan, None)
