"""Takes the finished sums of a tile, and rounds them a column a clock."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Signal

from ...parameters import MacParameters
from ..numbers.pipeline import Pipeline
from ..numbers.raw import is_const
from ..numbers.round import Rounder
from ..numbers.shape import Amaranth
from ..sums.parallel_rounder import CUTS, ParallelRounder
from ..sums.serial_rounder import FinishedSum

Sum = tuple[Amaranth, dict[str, Amaranth]]
"""A sum and its notes, as `element` gives them."""


@dataclass(frozen=True)
class Column:
    """A column of results.

    Members
    -------
    valid : 1 bit
    codes, flags : of each row
    rows : the number of the last row that is part of C
    last : 1 bit, whether it ends the job
    """

    valid: Amaranth
    codes: list[Amaranth]
    flags: list[Amaranth]
    rows: Amaranth
    last: Amaranth


def drain(
    m: Module, p: MacParameters, sums: list[list[Sum]], capture: Amaranth,
    rows: Amaranth, cols: Amaranth, end: Amaranth, ready: Amaranth,
) -> tuple[Column, Amaranth]:  # fmt: skip
    """Add the shadow registers of the sums and a rounder a row.

    Parameters
    ----------
    capture : 1 bit
        Take the sums; only while the other result is 0.
    rows, cols : the numbers of the last row and column to give out
    end : 1 bit, whether the tile ends its job
    ready : 1 bit, whether a column is taken

    Returns
    -------
    Column, and 1 bit: whether sums of the tile before are in the way.
    """
    left = Signal(range(len(sums[0]) + 1), name="drain_left")
    row_edge = Signal(range(len(sums)), name="drain_rows")
    job_end = Signal(name="drain_end")
    pipe = Pipeline(m, left.any(), CUTS)
    shift = Signal(name="drain_shift")
    m.d.comb += shift.eq(pipe.ready & left.any())
    with m.If(capture):
        m.d.sync += [left.eq(cols + 1), row_edge.eq(rows), job_end.eq(end)]
    with m.Elif(shift):
        m.d.sync += left.eq(left - 1)
    blocked = (left > 1) | (left.any() & ~pipe.ready)
    pipe.carried = {"rows": row_edge, "last": job_end & (left == 1)}
    rounder = ParallelRounder(Rounder(p.acc_format, p.rounding_mode, p.overflow), p.fixed)
    found = []
    for r, row in enumerate(sums):
        total, notes = _chain(m, f"row{r}", row, capture, shift)
        never = Const(0, 1)
        item = FinishedSum(
            never, total, notes["nan"], notes.get("plus_inf", never),
            notes.get("minus_inf", never), notes["invalid"], notes.get("minus_zero", never),
            None, never, never,
        )  # fmt: skip
        found.append(rounder.build(m, pipe, item, f"row{r}"))
    pipe.finish(ready)
    column = Column(
        pipe.valid, [one.code for one in found], [one.flags for one in found],
        pipe.carried["rows"], pipe.carried["last"],
    )  # fmt: skip
    return column, blocked


def _chain(m: Module, name: str, row: list[Sum], capture: Amaranth, shift: Amaranth) -> Sum:
    """The shadow registers of a row, which move towards column 0; what is there."""
    following: dict[str, Amaranth] = {}
    for c, (total, notes) in reversed(list(enumerate(row))):
        here = {}
        for label, value in {"total": total, **notes}.items():
            if is_const(value):
                here[label] = value
                continue
            held = Signal(len(value), name=f"{name}_{label}{c}", reset_less=True)
            with m.If(capture):
                m.d.sync += held.eq(value)
            with m.Elif(shift):
                m.d.sync += held.eq(following.get(label, 0))
            here[label] = held
        following = here
    return following.pop("total"), following
