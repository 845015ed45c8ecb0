"""What the core does to results, on both simulators against golden, and golden against exact
rationals."""

from typing import Any

import numpy as np
import pytest

from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import generate
from verif.core.configurations import EPILOGUE_CORES
from verif.core.mixture import mixture, pairwise
from verif.core.run_core import run

from .conftest import later

SEED = 3


def test_pairwise_rows_have_every_pair() -> None:
    choices = {"x": (0, 1, 2), "y": "ab", "z": (False, True), "w": (0, 1)}
    rows = pairwise(choices, np.random.default_rng(SEED), lambda row: row["x"] != 2 or row["z"])
    seen = {frozenset([(n, r[n]), (m, r[m])]) for r in rows for n in r for m in r if n != m}
    due = sum(len(a) * len(b) for n, a in choices.items() for m, b in choices.items() if n < m)
    assert len(seen) == due - 1 and len(rows) < 12


@pytest.mark.parametrize("simulator", ["icarus", later("verilator"), "native"])
@pytest.mark.parametrize("given", [EPILOGUE_CORES[0], *map(later, EPILOGUE_CORES[1:])])
def test_every_two_options_together(given: dict[str, Any], simulator: str) -> None:
    p, rng = CoreParameters(**given), np.random.default_rng(SEED)
    programs = [mixture(p, rng, stall=stall) for stall in (0.0, 0.3)]
    found = run(generate(p), simulator, programs, seed=SEED)
    jobs = sum(len(program.tasks) for program in programs)
    assert (found.mismatches, found.first, found.jobs) == (0, None, jobs)
