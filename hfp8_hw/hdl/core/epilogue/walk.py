"""Counts through the results of a job in the order in which they leave."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal

from ....parameters import CoreParameters
from ...numbers.raw import wire
from ...numbers.shape import Amaranth


class Walk:
    """Beat by beat: ``rows`` rows of C, in these column by column, in each ``drains`` rows.

    Parameters
    ----------
    height, width : unsigned
        Rows and columns of C, as they are from the job's first beat to its last.
    step : 1 bit
        A beat comes.

    Members
    -------
    column_end, row_end, end : 1 bit
        Under ``step``: the beat is the last of its column in these rows, of these rows, of the job.
    """

    def __init__(
        self,
        m: Module,
        p: CoreParameters,
        name: str,
        height: Amaranth,
        width: Amaranth,
        step: Amaranth,
    ) -> None:
        def register(label: str, shape: Any, init: int = 0) -> Signal:
            return Signal(shape, init=init, name=f"{name}_{label}", attrs={"stage": name})

        groups = p.rows // p.drains
        fresh = register("fresh", 1, 1)
        rows, down = register("rows", len(height)), register("down", len(height))
        columns = register("columns", len(width))
        group = register("group", range(groups))
        have_rows = wire(m, Mux(fresh, height, rows), f"{name}_have_rows")
        have_down = wire(m, Mux(fresh, height, down), f"{name}_have_down")
        have_columns = wire(m, Mux(fresh, width, columns), f"{name}_have_columns")
        self.column_end = wire(
            m, (group == groups - 1) | (have_down <= p.drains), f"{name}_column_end"
        )
        self.row_end = wire(m, self.column_end & (have_columns == 1), f"{name}_row_end")
        self.end = wire(m, self.row_end & (have_rows <= p.rows), f"{name}_end")
        after = wire(m, (have_rows - Mux(self.row_end, p.rows, 0))[: len(rows)], f"{name}_after")
        with m.If(step):
            m.d.sync += [
                fresh.eq(self.end),
                rows.eq(after),
                down.eq(Mux(self.column_end, after, have_down - p.drains)),
                columns.eq(Mux(self.row_end, width, have_columns - self.column_end)),
                group.eq(Mux(self.column_end, 0, group + 1)),
            ]
