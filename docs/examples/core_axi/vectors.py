"""The beats of core_tb.v: random operands of its jobs, and what the golden model makes of them."""

import sys
from pathlib import Path

import numpy as np

from hfp8_hw.golden import gemm_job
from hfp8_hw.jobs import GemmJob

ROWS = LANES = DRAINS = 2  # as core.v has them, and cols too
LINES = 256  # of each file; core_tb.v reads as many
JOBS = [
    GemmJob(3, 5, 7),
    GemmJob(4, 2, 9, transpose_a=True, transpose_b=True, mode_b=1),
    # Between these core_tb.v starts one with k=0, which the core refuses.
    GemmJob(5, 3, 8, bias=True, scale=-3, relu=True, quantize=True),
    GemmJob(2, 6, 4, accumulate=True),
]


def operand(codes):
    """(last, data) of each beat: row by row, each row from a new beat on."""
    rows = [np.pad(row, (0, -len(row) % LANES)).reshape(-1, LANES) for row in codes]
    return ended([int(low | high << 8) for row in rows for low, high in row])


def addend(codes):
    """Likewise of a bias, or of a matrix from `tiles`."""
    low, high = np.pad(codes, (0, -len(codes) % DRAINS)).reshape(-1, DRAINS).T
    return ended([int(x | y << 16) for x, y in zip(low, high, strict=True)])


def tiles(matrix):
    """The order of C: ``ROWS`` rows after another, of these column by column."""
    return [column for top in range(0, len(matrix), ROWS) for column in matrix[top : top + ROWS].T]


def ended(beats):
    """Each with its tlast."""
    return [(i == len(beats) - 1, beat) for i, beat in enumerate(beats)]


rng = np.random.default_rng(1)
a, b, c, y = [], [], [], []
for job in JOBS:
    stored = rng.integers(0, 256, job.a_shape), rng.integers(0, 256, job.b_shape)
    more = {}
    if job.bias:
        more["bias"] = rng.integers(0, 1 << 15, job.n)
        c += addend(more["bias"])
    if job.accumulate:
        more["c"] = rng.integers(0, 1 << 15, (job.m, job.n))
        c += addend(np.concatenate(tiles(more["c"])))
    codes, flags = gemm_job(job, *stored, "HFP8", "HFP8", "DLFLOAT16", flags=True, **more)
    a += operand(stored[0])
    b += operand(stored[1])
    for (last, data), marks in zip(
        ended([np.pad(column, (0, ROWS - len(column))) for column in tiles(codes)]),
        tiles(flags),
        strict=True,
    ):
        keep = (1 << 2 * len(marks)) - 1
        user = sum(int(mark) << 4 * i for i, mark in enumerate(marks))
        y.append((last, keep << 40 | user << 32 | int(data[0]) | int(data[1]) << 16))

# Each line: 1 for a beat, its tlast, then the payload.
for name, beats, digits in (("a", a, 4), ("b", b, 4), ("c", c, 8), ("y", y, 11)):
    lines = [f"1{int(last)}{beat:0{digits}x}" for last, beat in beats]
    lines += ["0" * (digits + 2)] * (LINES - len(lines))
    Path(sys.argv[1], f"{name}.hex").write_text("\n".join(lines) + "\n")
