"""Convolutions on the core against golden, and golden's against exact rationals."""

from typing import Any

import numpy as np

from hfp8_hw.jobs import Convolution
from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import generate
from verif.core.program import Program
from verif.core.run_core import run

SMALL: dict[str, Any] = {"rows": 2, "cols": 2, "lanes": 2, "convolution": "yes"}
SEED = 3


def test_a_convolution_with_padding_equals_golden() -> None:
    p = CoreParameters(**SMALL)
    shape = Convolution(4, 5, 3, 3, 3, 3, 4, 5, p.lanes, pad_top=1, pad_left=1)
    program = Program(p)
    program.random(np.random.default_rng(SEED), shape.job(3))
    found = run(generate(p), "icarus", [program], seed=SEED)
    assert (found.mismatches, found.first, found.results) == (0, None, 60)
    taps = (2 + 3 + 3 + 2) * (2 + 3 + 3 + 3 + 2)
    assert found.counters[0]["MACS"] == 3 * 3 * taps
