"""What the core does to results, on both simulators against golden, and golden against exact
rationals."""

from typing import Any

import numpy as np
import pytest

from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import generate
from verif.core.mixture import mixture, pairwise
from verif.core.run_core import run

from .conftest import later

SMALL = {"rows": 2, "cols": 2, "lanes": 2, "epilogue": "full"}
SEED = 3


def test_pairwise_rows_have_every_pair() -> None:
    choices = {"x": (0, 1, 2), "y": "ab", "z": (False, True), "w": (0, 1)}
    rows = pairwise(choices, np.random.default_rng(SEED), lambda row: row["x"] != 2 or row["z"])
    seen = {frozenset([(n, r[n]), (m, r[m])]) for r in rows for n in r for m in r if n != m}
    due = sum(len(a) * len(b) for n, a in choices.items() for m, b in choices.items() if n < m)
    assert len(seen) == due - 1 and len(rows) < 12


@pytest.mark.parametrize("simulator", ["icarus", later("verilator")])
@pytest.mark.parametrize(
    "given",
    [
        SMALL,
        later({**SMALL, "y_rounding": "SR(8)", "random_seed": 77, "pages": 4}),
        later({"rows": 4, "cols": 2, "lanes": 2, "epilogue": "full", "a": "E4M3FN", "b": "E5M2",
               "y": "E4M3FN", "y_overflow": "special", "acc": "FP16", "overflow": "saturate"}),
        later({"rows": 2, "cols": 4, "lanes": 4, "epilogue": "full", "acc": "FP32",
               "rounding": "RDN", "a": "E5M2", "y": "E5M2", "y_rounding": "RTZ"}),
        later({"rows": 4, "cols": 3, "lanes": 1, "drains": 2, "epilogue": "full", "acc": "BF16",
               "y_rounding": "SR(11)", "bias_size": 7}),
        later({"rows": 3, "cols": 2, "lanes": 1, "drains": 1, "epilogue": "full",
               "acc": "E5M2", "y": "E4M3FNUZ", "y_overflow": "special"}),
        later({"rows": 1, "cols": 2, "lanes": 2, "epilogue": "quantize", "acc": "FP9",
               "y": "E2M1:none", "stages": 2}),
    ],
)  # fmt: skip
def test_every_two_options_together(given: dict[str, Any], simulator: str) -> None:
    p, rng = CoreParameters(**given), np.random.default_rng(SEED)
    programs = [mixture(p, rng, stall=stall) for stall in (0.0, 0.3)]
    found = run(generate(p), simulator, programs, seed=SEED)
    jobs = sum(len(program.tasks) for program in programs)
    assert (found.mismatches, found.first, found.jobs) == (0, None, jobs)
