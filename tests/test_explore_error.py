"""The errors of units that are explored, against outsiders; workloads of one's own."""

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from fpga.explore.error import measure as measure_error
from fpga.explore.workload import Workload
from hfp8_hw import ParameterError
from hfp8_hw.parameters import unit_parameters
from rtl_gen.package import Package, generate


def unit(name: str, **given: Any) -> Package:
    return generate(unit_parameters(name, given))


def decibels(exact: Any, got: Any) -> float:
    wanted, values = np.asarray(exact, np.float64), np.asarray(got, np.float64)
    return 10 * math.log10(float((wanted**2).sum()) / float(((values - wanted) ** 2).sum()))


def test_the_error_of_a_quantizer_is_an_outsiders() -> None:
    """The documented numbers, rounded by ml_dtypes."""
    work = Workload(seed=5, results=3000)
    found = measure_error(unit("quantizer", dst="E4M3FN"), work)
    x = np.random.default_rng([5, 0]).standard_normal(3000)
    # Rounding to FP32 first and then to E4M3FN is rounding once, but for ties, of which 3,000
    # random numbers have none.
    assert found.sqnr_db == pytest.approx(decibels(x, x.astype(ml_dtypes.float8_e4m3fn)), abs=1e-9)
    assert found.results == 3000 and not found.exact and found.not_finite == 0


def test_the_error_of_a_sum_is_an_outsiders() -> None:
    """Products of E4M3FN are exact in binary64, and so are short sums of them."""
    work = Workload(seed=2, results=500, products=40)
    a, b = (np.random.default_rng([2, k]).standard_normal((500, 40)) for k in (0, 1))
    short = [v.astype(ml_dtypes.float8_e4m3fn).astype(np.float64) for v in (a, b)]
    total, wanted = (short[0] * short[1]).sum(axis=1), (a * b).sum(axis=1)
    given = {"a": "E4M3FN", "b": "E4M3FN", "semantics": "exact", "terms": 64}
    found = measure_error(unit("mac", **given, acc="FP16"), work)
    assert found.sqnr_db == pytest.approx(decibels(wanted, total.astype(np.float16)), abs=1e-9)
    assert found.own_sqnr_db == pytest.approx(decibels(total, total.astype(np.float16)), abs=1e-9)
    assert not found.own_exact
    found = measure_error(unit("mac", **given, acc="fixed"), work)
    assert found.sqnr_db == pytest.approx(decibels(wanted, total), abs=1e-9)
    assert found.own_exact and found.own_sqnr_db is None and not found.exact


def test_the_own_error_of_a_hybrid_sum_follows_its_mode() -> None:
    """With E5M2's twin, HFP8_BWD, where the mode says so; each row has a mode of its own."""
    rng = np.random.default_rng(4)
    arrays = {"a": rng.standard_normal((6, 8)), "b": rng.standard_normal((6, 8)),
              "mode_a": np.array([[0], [1]] * 3)}  # fmt: skip
    found = measure_error(unit("mac", semantics="exact", acc="fixed", terms=8, b="HFP8_FWD"),
                          Workload(1, arrays=arrays))  # fmt: skip
    assert found.own_exact and not found.exact


def test_the_users_arrays() -> None:
    """Codes are exact; a sum that overflows has no error, and is counted."""
    x = np.array([0.5, 1.0, -3.0])
    assert measure_error(unit("relu", fmt="E4M3FN"), Workload(1, arrays={"x": x})).exact
    big = {"a": np.full((2, 3), 30000.0), "b": np.array([[1.0], [0.5]])}
    found = measure_error(unit("mac", acc="FP16", a="E5M2", b="E5M2"), Workload(1, arrays=big))
    assert found.not_finite == 1 and found.results == 2
    with pytest.raises(ParameterError, match="relu needs the arrays x"):
        measure_error(unit("relu"), Workload(1, arrays={"a": x}))
    wraps = Workload(1, results=10, products=100)
    found = measure_error(
        unit("mac", a="E4M3FN", b="E4M3FN", semantics="exact", acc="fixed", terms=50), wraps
    )
    assert found.may_wrap == 10


def test_a_unit_that_cannot_be_compared_is_measured_without_error() -> None:
    made = unit("loss_scale")
    found = measure_error(made, Workload(1))
    assert found.results == 0 and found.sqnr_db is None
    assert found.why_not.startswith("unit='loss_scale' is not allowed: it takes no numbers")
    with pytest.raises(ParameterError, match="unit='loss_scale' is not allowed: it"):
        measure_error(made, Workload(1, arrays={"x": np.ones(3)}))
