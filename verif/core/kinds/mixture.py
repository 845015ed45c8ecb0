"""Programs in which jobs use all that a core can do, every two options together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.parameters import CoreParameters

from ..program import Program

Row = dict[str, Any]

_MOST = 20000
"""Products of a large job, at the most."""


def options(p: CoreParameters) -> dict[str, tuple[Any, ...]]:
    """What a job of this core may say, pages and sizes aside."""
    both = (False, True)
    found: dict[str, tuple[Any, ...]] = {"transpose_a": both, "transpose_b": both}
    for side, formats in (("a", p.a_formats), ("b", p.b_formats), ("y", p.y_formats)):
        found[f"mode_{side}"] = (0, 1) if len(formats) == 2 else (0,)
    if p.epilogue != "none":
        found |= {"relu": both, "quantize": both, "silent": both, "scale": (-64, -5, 0, 3, 63)}
    if p.epilogue == "full":
        found |= {"bias": both, "accumulate": both}
    if p.keeps:
        found["store"] = both
    return found


def pairwise(
    choices: Mapping[str, Sequence[Any]],
    rng: np.random.Generator,
    allowed: Callable[[Row], bool] = lambda row: True,
) -> list[Row]:
    """Rows in which any two values of any two options stand together, if that is allowed.

    Parameters
    ----------
    allowed : callable
        Whether a row may be; two values that no row was found for are left out.
    """
    open_pairs = {
        ((one, x), (other, y))
        for one, other in combinations(choices, 2)
        for x, y in product(choices[one], choices[other])
    }
    rows: list[Row] = []
    while open_pairs:
        wanted = sorted(open_pairs, key=str)[int(rng.integers(len(open_pairs)))]
        tries = [
            {name: values[int(rng.integers(len(values)))] for name, values in choices.items()}
            | dict(wanted)
            for _ in range(60)
        ]
        found = [(len(_pairs(row) & open_pairs), row) for row in tries if allowed(row)]
        if not found:
            open_pairs.discard(wanted)
            continue
        rows.append(max(found, key=lambda one: one[0])[1])
        open_pairs -= _pairs(rows[-1])
    return rows


def _in_each_others_way(p: CoreParameters) -> list[GemmJob]:
    """While a long job is at work, a result for a page of A; that page loaded again; and read."""
    m, n, k = 4 * p.rows, 4 * p.tile_cols, 4 * p.lanes
    return [
        GemmJob(m, n, k),
        GemmJob(m, n, k, load_a=False, page_b=1, quantize=True, store=True, page_y=1),
        GemmJob(m, 1, k, page_a=1),
        GemmJob(m, 1, k, load_a=False, load_b=False, page_a=1),
    ]


def _pairs(row: Row) -> set[Any]:
    return set(combinations(row.items(), 2))


def large_jobs(p: CoreParameters, rng: np.random.Generator, count: int) -> Program:
    """Jobs with any options, of all sizes that pages hold, small and large: thousands of results,
    for what few operands make happen."""
    program = Program(p)
    while len(program.tasks) < count:
        m, n, k = (int(x) for x in 2 ** rng.uniform(0, (9, 9, 7)))
        row = {name: values[int(rng.integers(len(values)))] for name, values in options(p).items()}
        pages = {f"page_{side}": int(rng.integers(p.pages)) for side in "ab"}
        if p.epilogue != "none":
            pages["page_y"] = (pages["page_a"] + 1) % p.pages
        if "scale" in row:
            row["scale"] = int(rng.integers(-12, 13))
        given: Row = {"m": m, "n": n, "k": k, **row, **pages}
        job = GemmJob(**given)
        # A run is given up where nothing comes for long.
        quiet = job.silent and m * n > _MOST // 10
        if m * n * k <= _MOST and not quiet and p.refusal(job) is JobError.NONE:
            program.random(rng, job)
    return program


def mixture(
    p: CoreParameters, rng: np.random.Generator, *, stall: float = 0.0, burst: int = 0
) -> Program:
    """A program of the rows of `pairwise`, in random order and of random sizes.

    Operands come from their streams or are what is in a page, a loaded matrix or a result.
    """

    def possible(row: Row) -> bool:
        return bool(row.get("quantize")) or not row.get("store")

    program = Program(p, stall=stall, burst=burst)
    pages: dict[tuple[str, int], tuple[int, int]] = {}
    if p.keeps and burst:
        for job in _in_each_others_way(p):
            program.random(rng, job)
    rows = pairwise(options(p), rng, possible)
    deep = p.chunk if p.in_chunks else p.lanes
    for number in rng.permutation(len(rows)):
        row = rows[number]
        sizes = dict(
            zip("mnk", (int(rng.integers(1, 2 * n + 2)) for n in (p.rows, p.tile_cols, deep)),
                strict=True)
        )  # fmt: skip
        given: Row = {"load_a": True, "load_b": True}
        for side in ("a", "b"):
            given[f"page_{side}"] = int(rng.integers(p.pages))
            # What is in the page, if the sizes do not clash with the other operand's.
            shape = pages.get((side, given[f"page_{side}"]))
            if shape is None or rng.integers(3) == 0:
                continue
            height, width = reversed(shape) if row[f"transpose_{side}"] else shape
            if side == "b" and not given["load_a"] and height != sizes["k"]:
                continue
            names = ("m", "k") if side == "a" else ("k", "n")
            sizes |= dict(zip(names, (height, width), strict=True))
            given[f"load_{side}"] = False
        given["page_y"] = (given["page_a"] + int(rng.integers(1, p.pages))) % p.pages
        if p.epilogue == "none":
            del given["page_y"]
        job = GemmJob(**{**sizes, **row, **given})
        program.random(rng, job)
        pages["a", job.page_a], pages["b", job.page_b] = job.a_shape, job.b_shape
        if job.store:
            pages["a", job.page_y] = (job.n, job.m)
    if p.epilogue != "none":
        # More results that go nowhere than there are places for results.
        program.random(rng, GemmJob(8 * p.rows, 8 * p.cols, 1, silent=True))
        program.random(rng, GemmJob(2 * p.rows, 2 * p.cols, 1))
    if p.epilogue == "full":
        # In bursts, one of these has to wait for its bias alone.
        for _ in range(3 * burst):
            program.random(rng, GemmJob(1, 2, 1, bias=True))
    return program
