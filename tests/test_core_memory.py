"""The core with a port to memory, on both simulators against golden."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw.errors import ParameterError
from hfp8_hw.jobs import Addresses, GemmJob, JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.registers import BUS_READ, BUS_WRITE, unpacked
from rtl_gen.package import Package, generate
from verif.core.memory.placed import Placed, place
from verif.core.memory.run import run
from verif.core.mixture import mixture
from verif.core.program import Program

from .conftest import check_lint, later

SMALL = {"rows": 2, "cols": 2, "lanes": 2, "ports": "memory", "bus": 32, "burst": 4}
SEED = 3


def some_jobs(p: CoreParameters, rng: np.random.Generator, count: int, **facts: Any) -> Program:
    """Jobs of random sizes."""
    program = Program(p, **facts)
    for _ in range(count):
        sizes = (int(rng.integers(1, 3 * n + 2)) for n in (p.rows, p.cols, p.lanes))
        ways = (bool(x) for x in rng.integers(0, 2, 2))
        program.random(rng, GemmJob(*sizes, *ways))
    return program


@pytest.mark.parametrize("simulator", ["icarus", later("verilator")])
def test_jobs_back_to_back(simulator: str) -> None:
    """At full speed, with pauses, with a late memory, with one that is ready for what is valid
    only; resets in mid-job; jobs that are refused, for their addresses too, between others."""
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    every = Program(p)
    for sizes in itertools.product((1, 2, 5), repeat=3):
        every.random(rng, GemmJob(*sizes))
    placed = [
        place(every, rng),
        place(some_jobs(p, rng, 20, stall=0.4), rng),
        place(some_jobs(p, rng, 20), rng, latency=60),
        place(some_jobs(p, rng, 10), rng, shy=True),
    ]
    refused = Program(p, stall=0.2)
    for job in (GemmJob(3, 2, 5), GemmJob(0, 1, 1), GemmJob(2, 2, 7, page_a=2), GemmJob(5, 5, 5),
                GemmJob(5, 4, 5, load_a=False, transpose_a=True), GemmJob(1, 4000, 40)):  # fmt: skip
        refused.random(rng, job)
    odd = [(k, GemmJob(4, 3, 2)) for k in (0, 2, 2, 4, 6)]
    placed.append(place(refused, rng, odd=odd, latency=7))
    for clocks in (60, 110, 200):
        program = some_jobs(p, rng, 5, stall=0.2, reset_at=clocks)
        placed.append(place(program, rng, latency=20))
    found = run(generate(p), simulator, placed, seed=SEED)
    assert (found.first, found.jobs) == (None, 27 + 20 + 20 + 10 + 3 + 15)
    assert found.ran[2]["most_reads"] >= 4


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize(
    "given",
    [
        {"rows": 2, "cols": 2, "lanes": 2, "bus": 64, "burst": 256, "epilogue": "full"},
        later({"rows": 4, "cols": 2, "lanes": 2, "bus": 128, "burst": 2, "epilogue": "full",
               "pages": 4}),
        later({"rows": 3, "cols": 5, "lanes": 1, "bus": 32, "burst": 8, "epilogue": "full",
               "a": "E4M3FN", "y": "E4M3FN"}),
        later({"rows": 6, "cols": 3, "lanes": 1, "drains": 3, "bus": 64, "burst": 16,
               "epilogue": "full", "acc": "FP32"}),
        later({"rows": 2, "cols": 8, "lanes": 2, "bus": 32, "burst": 4, "epilogue": "full",
               "a": "FP16", "b": "E5M2", "acc": "FP9"}),
    ],
)  # fmt: skip
def test_every_two_options_together(given: dict[str, Any], simulator: str) -> None:
    """Bias and what C held before from memory, silent jobs between others; buses narrower and
    wider than beats, and widths that do not divide each other."""
    p, rng = CoreParameters(ports="memory", **given), np.random.default_rng(SEED)
    placed = [
        place(mixture(p, rng, stall=stall), rng, latency=latency)
        for stall, latency in ((0.0, 0), (0.3, 30))
    ]
    found = run(generate(p), simulator, placed, seed=SEED)
    assert (found.first, found.jobs) == (None, sum(len(one.jobs) for one in placed))
