"""The jobs that a product of any size is, and how many clocks they take by the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hfp8_hw.errors import ParameterError
from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters, core_cycles
from hfp8_hw.parameters.core_cycles import sequence_cycles

from .program import check_streams
from .tiling import parts, sizes, slices

MOST_JOBS, MOST_TILES = 1 << 16, 1 << 20
"""Of a product; tiles are counted one by one where something is added to them."""


@dataclass(frozen=True)
class Clocks:
    """What a product takes, with streams that never wait.

    Members
    -------
    jobs : int
        How many jobs it is: one, where pages hold its operands.
    alone : int
        From the write to START to the last result, on a core that has nothing else to do.
    steady : int
        From the end of one such product to that of the next, where many follow each other.
    """

    jobs: int
    alone: int
    steady: int


def check_product(p: CoreParameters, m: int, n: int, k: int, biased: bool = False) -> list[slice]:
    """The products of each sum that one job takes, as `verif.core.tiling.slices`.

    Raises
    ------
    ParameterError
        For a core without streams, which the model of clocks does not know; if pages are too small
        for any such job, and for more than `MOST_JOBS` or `MOST_TILES`.
    """
    check_streams(p)
    steps = slices(p, m, n, k)
    jobs = 0
    for step in steps:
        last = biased and step is steps[-1]
        height, width = sizes(p, m, n, step.stop - step.start, last)
        jobs += -(-m // height) * -(-n // width)
    if jobs > MOST_JOBS:
        raise ParameterError(
            f"a product {m}x{n}x{k} is not allowed for a_size={p.a_size!r} and "
            f"b_size={p.b_size!r}: {jobs:,} jobs, and at most {MOST_JOBS:,} are; larger pages"
        )
    tiles = -(-m // p.rows) * -(-n // p.tile_cols) * len(steps)
    if tiles > MOST_TILES and (biased or len(steps) > 1):
        raise ParameterError(
            f"a product {m}x{n}x{k} to which is added is not allowed for rows={p.rows!r} and "
            f"cols={p.cols!r}: {tiles:,} tiles, and at most {MOST_TILES:,} are; a larger array"
        )
    return steps


def planned_jobs(p: CoreParameters, m: int, n: int, k: int, biased: bool = False) -> list[GemmJob]:
    """The jobs of a product, in order, as `verif.core.compare_core.multiply` runs them.

    Raises
    ------
    ParameterError
        As `check_product`.
    """
    steps = check_product(p, m, n, k, biased)
    nothing = np.zeros((), np.uint32)
    found = []
    for step in steps:
        length = step.stop - step.start
        lists = parts(
            p,
            np.broadcast_to(nothing, (m, length)),
            np.broadcast_to(nothing, (length, n)),
            c=np.broadcast_to(nothing, (m, n)) if step is not steps[0] else None,
            bias=np.broadcast_to(nothing, (n,)) if biased and step is steps[-1] else None,
        )
        found += [part.task.job for one in lists for part in one]
    return found


def product_clocks(p: CoreParameters, m: int, n: int, k: int, biased: bool = False) -> Clocks:
    """The clocks of a product by `hfp8_hw.parameters.core_cycles`.

    A product that is one job takes the other pages each time; one of many jobs begins again in the
    same ones.

    Raises
    ------
    ParameterError
        As `check_product`.
    """
    jobs = planned_jobs(p, m, n, k, biased)
    if len(jobs) == 1:
        one = core_cycles(p, jobs[0])
        return Clocks(1, one.alone, one.steady)
    times = sequence_cycles(p, jobs * 2)
    first = times[len(jobs) - 1].finished
    return Clocks(len(jobs), first, times[-1].finished - first)
