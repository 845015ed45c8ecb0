"""Convolutions of random shapes for a core."""

from __future__ import annotations

from typing import Any

import numpy as np

from hfp8_hw.jobs import Convolution, GemmJob, JobError
from hfp8_hw.parameters import CoreParameters

from ..program import Program

CONVOLUTION_CORES: list[dict[str, Any]] = [
    {"convolution": "yes", "rows": 2, "cols": 2, "lanes": 2, "epilogue": "full"},
    {"convolution": "yes", "rows": 1, "cols": 4, "lanes": 2, "acc": "FP16", "rounding": "RDN",
     "a": "E5M2"},
    {"convolution": "yes", "rows": 4, "cols": 2, "lanes": 4, "a": "E5M2", "b": "E4M3FN",
     "epilogue": "full", "y": "E5M2", "drains": 2},
    {"convolution": "yes", "rows": 2, "cols": 8, "lanes": 2, "semantics": "exact_chunk",
     "chunk": 6},
    {"convolution": "yes", "rows": 1, "cols": 1, "lanes": 4, "acc": "E5M2",
     "semantics": "exact_chunk", "chunk": 8, "rounding": "RDN"},
    {"convolution": "yes", "rows": 4, "cols": 4, "lanes": 1, "epilogue": "full",
     "y_rounding": "SR(8)"},
]  # fmt: skip
"""Such with convolutions."""


def random_shape(p: CoreParameters, rng: np.random.Generator) -> Convolution:
    """A small map and a kernel, with every way to move; windows may miss the map."""

    def one(least: int, most: int) -> int:
        return int(rng.integers(least, most + 1))

    height, width, map_channels = one(1, 6), one(1, 9), one(1, 2 * p.lanes + 1)
    first = one(0, map_channels - 1) if one(0, 1) else 0
    channels = one(1, map_channels - first)
    if one(0, 3) == 0:
        channels = 1
    stride, dilation = one(1, 3), one(1, 3)
    sizes = []
    for size in (height, width):
        taps, pad = one(1, 3), one(0, 3)
        most = (size + 2 * pad - (taps - 1) * dilation - 1) // stride + 1
        sizes.append((taps, pad, max(most, 1) + (one(0, 2) if one(0, 3) == 0 else 0)))
    (taps_high, top, out_height), (taps_wide, left, out_width) = sizes
    return Convolution(
        height, width, map_channels, channels, taps_high, taps_wide, out_height, out_width,
        p.lanes, stride, dilation, top, left, first,
    )  # fmt: skip


def convolutions(
    p: CoreParameters,
    rng: np.random.Generator,
    count: int,
    *,
    stall: float = 0.0,
    burst: int = 0,
    reset_at: int | None = None,
) -> Program:
    """So many convolutions, between them matrix products."""
    program = Program(p, stall=stall, burst=burst, reset_at=reset_at)
    while len(program.tasks) < count:
        options: dict[str, Any] = {
            name: int(rng.integers(len(formats)))
            for name, formats in (("mode_a", p.a_formats), ("mode_b", p.b_formats))
        }
        options |= {f"page_{side}": int(rng.integers(p.pages)) for side in "ab"}
        options |= _epilogue(p, rng, int(options["page_a"]))
        job = random_shape(p, rng).job(int(rng.integers(1, 2 * p.rows + 2)), **options)
        if p.refusal(job) is JobError.NONE:
            program.random(rng, job)
        if rng.integers(4) == 0:
            m, n, k = (int(n) for n in rng.integers(1, 6, 3))
            program.random(rng, GemmJob(m, n, k, **options))
    return program


def _epilogue(p: CoreParameters, rng: np.random.Generator, page: int) -> dict[str, Any]:
    """What becomes of the results of a job that reads this page of A's scratchpad."""
    if p.epilogue == "none":
        return {}
    names = ["relu", "quantize", "silent"]
    names += ["bias", "accumulate"] if p.epilogue == "full" else []
    found: dict[str, Any] = {name: bool(rng.integers(2)) for name in names}
    found["silent"] &= bool(rng.integers(2))
    found |= {"mode_y": int(rng.integers(len(p.y_formats))), "scale": int(rng.integers(-9, 4))}
    if p.keeps and found["quantize"]:
        found |= {"store": bool(rng.integers(2)), "page_y": (page + 1) % p.pages}
    return found
