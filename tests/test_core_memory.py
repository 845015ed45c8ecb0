"""The core with a port to memory, on both simulators against golden."""

import itertools
from typing import Any

import numpy as np
import pytest

from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import generate
from verif.core.memory.placed import place
from verif.core.memory.run import run
from verif.core.program import Program

from .conftest import later

SMALL = {"rows": 2, "cols": 2, "lanes": 2, "ports": "memory", "bus": 32, "burst": 4}
SEED = 3


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_jobs_from_memory(simulator: str) -> None:
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    program = Program(p)
    for sizes in itertools.product((1, 2, 5), repeat=3):
        program.random(rng, GemmJob(*sizes))
    found = run(generate(p), simulator, [place(program, rng)], seed=SEED)
    assert (found.first, found.jobs) == (None, 27)
