"""The figures that `hfp8 compare` prints and writes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from hfp8_hw.rounding import FLAGS
from rtl_gen.package import Package
from verif.simulation import compare as comparing
from verif.simulation.compare import Comparison, compare
from verif.simulation.run_arrays import Applied
from verif.simulation.user_arrays import Prepared, prepare

from .compared import Arrays, as_applied, golden_comparison, package
from .conftest import Cli


def test_numbers_far_beyond_the_format_leave_no_warning_and_the_right_figures() -> None:
    """By hand; a warning would be an error here."""
    x = np.array([1e300, -1e300, 1e-300, np.nan, 5e-324])
    comparison = golden_comparison("relu", {"x": x})
    assert comparison.mismatches == 0 and comparison.not_finite == 4 - 2
    assert json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    # fp_add of 1e30 and -1e30 in FP32: what is lost is 1e300 squared if squares are taken as is.
    big = golden_comparison("fp_add", {"a": np.array([1e30, 2e38]), "b": np.array([1e30, 1e300])})
    assert big.not_finite == 1 and big.max_rel is not None and big.max_rel < 1e-7
    tiny = golden_comparison("fp_add", {"a": np.array([3e-320, 1.0]), "b": np.array([0.0, 0.0])})
    assert tiny.max_abs == 3e-320 and tiny.max_rel == 1.0 and tiny.sqnr_db == pytest.approx(
        20 * (math.log10(1.0) - math.log10(3e-320)), rel=1e-3)  # fmt: skip


def test_flags_of_rounding_the_inputs_are_counted() -> None:
    """By hand. The largest number of HFP8_FWD is 30, that of HFP8_BWD 98304."""

    def input_flags(name: str, arrays: Arrays) -> list[int]:
        flags = golden_comparison(name, arrays).flags
        assert list(flags) == [*FLAGS, *(f"input {flag}" for flag in FLAGS)]
        return [flags[f"input {flag}"] for flag in ("overflow", "underflow", "inexact", "invalid")]

    ones, a = np.ones(3), np.array([3000.0, 0.3, 1.0])
    assert input_flags("mac", {"a": a, "b": ones}) == [1, 0, 2, 0]
    # What is broadcast counts as often as it is used; codes are not rounded.
    assert input_flags("mac", {"a": a, "b": np.ones((5, 3))}) == [5, 0, 10, 0]
    assert input_flags("mac", {"a": np.zeros(3, np.uint8), "b": np.ones(3)}) == [0, 0, 0, 0]
    # Those of the format that the mode chooses: 3072 is a number of HFP8_BWD.
    modes = {"mode_a": np.array(1), "mode_b": np.array(0)}
    pairs = {"a": np.array([3072.0, 1e-9]), "b": np.array([1.0, 1e9])}
    assert input_flags("mac", pairs | modes) == [1, 1, 2, 0]
    # A format without NaN.
    assert input_flags("mac fixed", {"a": np.array([np.nan, 1e-3]), "b": np.ones(2)}) == [
        0,
        1,
        1,
        1,
    ]


def test_errors_count_scales_and_run_time_biases() -> None:
    """Numbers that the formats hold: no error, whatever the bias and the scale are."""
    x = np.array([1.0, 1.5, -3.0])
    for bias in (3, 11, 20):
        for name in ("quantizer", "dequantizer"):
            arrays = {"x": np.ldexp(x, 11 - bias), "bias": np.array(bias)}
            comparison = golden_comparison(name, arrays)
            assert (comparison.max_abs, comparison.not_finite) == (0, 0), (name, bias)
    scaled = golden_comparison("quantizer", {"x": np.ldexp(x, -3), "scale": np.array(3)})
    assert scaled.max_abs == 0
    # A bias that is not given is the format's own, by mode.
    given = {"x": np.array([0x58, 0x3C], np.uint8), "mode": np.array([0, 1])}
    ready = prepare(package("dequantizer"), given, 1)
    assert ready.inputs["bias"].tolist() == [11, 15] and ready.reals["x"].tolist() == [1.0, 1.0]
    # Codes under a run-time bias are worth what the bias says: HFP8_FWD's 0x58 is 1 with 11.
    arrays = {"x": np.array([0x58], np.uint8), "bias": np.array(10)}
    assert prepare(package("dequantizer"), arrays, 1).reals["x"].tolist() == [2.0]


def test_the_first_mismatch_is_told_in_the_users_terms() -> None:
    def broken(unit: Package, simulator: str, given: Arrays, seed: int) -> Applied:
        done = as_applied(unit, simulator, given, seed)
        done.codes[4] ^= 1
        return done

    unit = package("mac")
    arrays = {"a": np.ones((2, 1, 2)), "b": np.ones((3, 2)), "mode_a": np.array(1)}
    found = compare(unit, prepare(unit, arrays, 1), "icarus", 1, broken)
    assert found.mismatches == 1 and found.elements == 6
    # 2 in DLFLOAT16: exponent field 32. 1 in HFP8_FWD (bias 11) and in HFP8_BWD (bias 15).
    assert found.first == {
        "index": [1, 1],
        "inputs": {"a": [0x3C, 0x3C], "b": [0x58, 0x58], "mode_a": 1, "mode_b": 0, "bias_a": 15,
                   "bias_b": 11},
        "expected": {"y": 32 << 9, "flags": 0},
        "got": {"y": (32 << 9) | 1, "flags": 0},
    }  # fmt: skip


def test_long_fixed_sums_are_counted_on_the_screen(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(unit: Package, given: Prepared, simulator: str, seed: int) -> Comparison:
        return compare(unit, given, simulator, seed, as_applied)

    monkeypatch.setattr(comparing, "compare", run)
    path = tmp_path / "t.npz"
    np.savez(path, a=np.ones((5, 9)), b=np.ones((5, 9)))
    words = ["compare", "mac", "--semantics", "exact", "--acc", "fixed", "--terms", "8"]
    words += ["--a", "E4M3FN", "--b", "E4M3FN", "--inputs", str(path)]
    status, out, _ = cli(*words)
    assert status == 0 and "5 sums have more than terms=8 products and may wrap" in out
    words[words.index("8")] = "9"
    assert "may wrap" not in cli(*words)[1]


@pytest.mark.parametrize("name", ["mac fixed", "mac in turns"])
def test_simulated(name: str) -> None:
    """The hardware agrees where the arrangement of the arrays decides: sums that wrap, and that
    take turns."""
    rng = np.random.default_rng(1)
    a, b = rng.choice([-1.0, 0.0, 6.0, 30.0], (2, 40, 11))
    a[:9], b[:9] = -1.0, 0.0
    unit = package(name)
    found = compare(unit, prepare(unit, {"a": a, "b": b}, 1), "icarus", 1)
    assert found.elements == 40 and found.mismatches == 0 and found.first is None
