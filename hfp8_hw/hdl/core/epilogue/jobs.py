"""What a step of the epilogue has to know of the jobs whose results come to it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, fifo

from ...numbers.shape import Amaranth


def job_ahead(
    m: Module,
    name: str,
    depth: int,
    take: Amaranth,
    given: dict[str, Amaranth],
    end: Amaranth,
) -> Any:
    """The facts ``given`` of the job whose results come next.

    Parameters
    ----------
    depth : int
        At least the jobs whose results have not all come.
    take : 1 bit
        A job begins; its facts are ``given`` in this clock, its results come two clocks later, or
        more.
    end : 1 bit
        The last results of a job come.
    """
    layout = data.StructLayout({label: value.shape() for label, value in given.items()})
    m.submodules[f"{name}_jobs"] = queue = fifo.SyncFIFOBuffered(width=layout.size, depth=depth)
    ahead: Any = Signal(layout, name=f"{name}_job")
    m.d.comb += [
        queue.w_data.eq(Cat(*(Value.cast(value) for value in given.values()))),
        queue.w_en.eq(take),
        queue.r_en.eq(end),
        ahead.eq(queue.r_data),
    ]
    return ahead
