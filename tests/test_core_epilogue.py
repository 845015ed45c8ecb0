"""The core's epilogue on both simulators against golden."""

from typing import Any

import numpy as np
import pytest

from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import generate
from verif.core.program import Program
from verif.core.run_core import run

SMALL = {"rows": 2, "cols": 2, "lanes": 2}
SEED = 3


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_scale_relu_and_quantization(simulator: str) -> None:
    p, rng = CoreParameters(**SMALL, epilogue="quantize"), np.random.default_rng(SEED)
    programs = [Program(p, stall=stall) for stall in (0.0, 0.3)]
    for program in programs:
        for _ in range(30):
            job = GemmJob(
                *(int(x) for x in rng.integers(1, 6, 3)),
                mode_a=int(rng.integers(2)),
                mode_b=int(rng.integers(2)),
                relu=bool(rng.integers(2)),
                quantize=bool(rng.integers(2)),
                mode_y=int(rng.integers(2)),
                silent=bool(rng.integers(4) == 0),
                scale=int(rng.integers(-20, 20)),
            )
            program.random(rng, job)
    found = run(generate(p), simulator, programs, seed=SEED)
    assert (found.mismatches, found.first, found.jobs) == (0, None, 60)


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_bias_and_what_c_held_before(simulator: str) -> None:
    p, rng = CoreParameters(**SMALL, epilogue="full"), np.random.default_rng(SEED)
    programs = [Program(p, stall=stall) for stall in (0.0, 0.3)]
    for program in programs:
        for _ in range(30):
            job = GemmJob(
                *(int(x) for x in rng.integers(1, 6, 3)),
                mode_a=int(rng.integers(2)),
                relu=bool(rng.integers(2)),
                bias=bool(rng.integers(2)),
                accumulate=bool(rng.integers(2)),
                quantize=bool(rng.integers(2)),
            )
            program.random(rng, job)
    found = run(generate(p), simulator, programs, seed=SEED)
    assert (found.mismatches, found.first, found.jobs) == (0, None, 60)


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize(
    "shape", [SMALL, {"rows": 4, "cols": 2, "lanes": 2}, {"rows": 2, "cols": 4, "lanes": 4}]
)
def test_results_become_operands(shape: dict[str, Any], simulator: str) -> None:
    """Chains of jobs, each of which reads what the one ahead has kept."""
    p = CoreParameters(**shape, epilogue="full", pages=4)
    rng = np.random.default_rng(SEED)
    programs = [Program(p, stall=stall) for stall in (0.0, 0.3)]
    for program in programs:
        for _ in range(8):
            m, n, k = (int(x) for x in rng.integers(1, 12, 3))
            page = int(rng.integers(4))
            first = GemmJob(m, n, k, quantize=True, store=True, scale=-4, page_a=page,
                            page_y=(page + 1) % 4, silent=bool(rng.integers(2)))  # fmt: skip
            program.random(rng, first)
            for step in range(int(rng.integers(1, 4))):
                k, n = n, int(rng.integers(1, 12))
                program.random(
                    rng,
                    GemmJob(m, n, k, transpose_a=True, load_a=False, page_a=(page + 1 + step) % 4,
                            page_y=(page + 2 + step) % 4, page_b=step % 2, quantize=True,
                            store=bool(step < 2), scale=-4),
                )  # fmt: skip
    found = run(generate(p), simulator, programs, seed=SEED)
    assert (found.mismatches, found.first) == (0, None) and found.results > 0
