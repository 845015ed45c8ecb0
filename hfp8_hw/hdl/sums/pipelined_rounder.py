"""Rounds finished fixed-point sums, one a clock."""

from __future__ import annotations

from amaranth.hdl import Const, Module

from ...formats import FloatFormat
from ...rounding import Rounding
from ..numbers.pipeline import Pipeline
from ..numbers.raw import any_of, with_offset
from ..numbers.round import Rounder
from ..numbers.shape import Amaranth
from .fixed_sum import Addend
from .normalise import NORMALISE_CUTS, normalised

ROUND_CUTS = (*NORMALISE_CUTS, "place", "align", "output")
"""The cuts that `round_sum` crosses."""


def round_sum(
    m: Module,
    pipe: Pipeline,
    total: Amaranth,
    lsb: int,
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
) -> tuple[Amaranth, Amaranth]:
    """(code, flags) of a sum in two's complement, across `ROUND_CUTS`.

    ``pipe.carried`` has what `normalised` needs, and ``invalid``.
    """
    # Two bits beyond the mantissa and the hidden bit, then the sticky one.
    keep = fmt.man_bits + 3
    raw, clash = normalised(m, pipe, Addend(total, Const(0, 1)), lsb, keep, coarse=True)
    raw = with_offset(m, raw, fmt.bias, "total")
    rounder = Rounder(fmt, rounding, overflow)
    invalid = any_of(pipe.carried["invalid"], clash)
    rounded = rounder.build(m, raw, name="rounded", invalid=invalid, cut=pipe.cut)
    cut = pipe.cut("output")
    return cut("code", rounded.code), cut("flags", rounded.flags)
