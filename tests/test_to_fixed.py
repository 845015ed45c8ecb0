"""Fixed-point operands, against exact rationals."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError, golden, parse_format
from hfp8_hw.golden import scalar
from hfp8_hw.parameters import unit_parameters
from verif.simulation.verify import Task, explain, run_task

from .conftest import later


@pytest.mark.parametrize(
    "name",
    ["E4M3FN", "HFP8_FWD", "HFP8_BWD", "E5M2", "E4M3FNUZ", "P3109_8P4", "E2M1B1:gradual:none",
     "E3M2B-4:flush:ieee", "FP16"],
)  # fmt: skip
def test_words_are_values_on_the_grid(name: str) -> None:
    fmt = parse_format(name)
    codes = range(1 << fmt.width)
    values = [scalar.decode(code, fmt) for code in codes]
    finite = [abs(v) for v in values if isinstance(v, Fraction) and v]
    # The lowest bit that any value has: the largest power of two that divides them all.
    unit = min(Fraction(v.numerator & -v.numerator, v.denominator) for v in finite)
    bits = int(max(finite) / unit).bit_length()
    words = golden.to_fixed(np.arange(1 << fmt.width), fmt)
    for code, value, word in zip(codes, values, words.tolist(), strict=True):
        mag, marks = word & ((1 << bits) - 1), word >> bits
        expected = code >> (fmt.width - 1)
        if fmt.has_nan:
            expected |= fmt.is_nan(code) << 1
        if fmt.inf_code is not None:
            expected |= fmt.is_inf(code) << (1 + fmt.has_nan)
        assert marks == expected, hex(code)
        if fmt.is_nan(code) or fmt.is_inf(code):
            assert mag == fmt.is_inf(code), hex(code)
        else:
            exact = Fraction(0) if value == "-0" else value
            assert isinstance(exact, Fraction)
            assert mag * unit == abs(exact), hex(code)


@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        ("FP32", "fmt='FP32' is not allowed for to_fixed: at most 16 bits"),
        ("DLFLOAT16", "its magnitudes have 73 bits, at most 60"),
        ("E9", "fmt='E9' is not allowed: one of"),
    ],
)
def test_bad_formats(fmt: str, text: str) -> None:
    for refuses in (
        lambda: golden.to_fixed([0], fmt),
        lambda: unit_parameters("to_fixed", {"fmt": fmt}),
    ):
        with pytest.raises(ParameterError) as error:
            refuses()
        assert text in str(error.value)


_EXACT: dict[str, Any] = {"semantics": "exact", "acc": "fixed", "a": "E4M3FN", "b": "E4M3FN"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"align": "dsp"}, "align='dsp' is not allowed for semantics='chunked': only exact sums"),
        ({**_EXACT, "align": "mul"}, "align='mul' is not allowed: one of lut, dsp"),
        ({**_EXACT, "operands": "bits"}, "operands='bits' is not allowed: one of codes, fixed"),
        ({**_EXACT, "operands": "fixed"}, "operands='fixed' is not allowed for align='lut': dsp"),
        (
            {"semantics": "exact", "align": "dsp", "operands": "fixed"},
            "a='HFP8' is not allowed for operands='fixed': one format",
        ),
        (
            {**_EXACT, "align": "dsp", "operands": "fixed", "stages": 5},
            "stages=5 is not allowed: an integer from 2 to 4",
        ),
        (
            {**_EXACT, "align": "dsp", "stages": 8},
            "stages=8 is not allowed: an integer from 2 to 7",
        ),
    ],
)
def test_bad_units(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ParameterError) as error:
        unit_parameters("mac", given)
    assert text in str(error.value)


@pytest.mark.parametrize("operands", [later("codes"), later("fixed")])
def test_shifts_of_fewer_bits_than_a_words(operands: str) -> None:
    """A format of two exponent bits and a long significand is shifted within one word only."""
    given = {
        "semantics": "exact",
        "acc": "fixed",
        "align": "dsp",
        "operands": operands,
        "a": "E2M5B31:normal:dl",
        "b": "E4M3B11FNUZ",
    }
    result = run_task(Task("mac", tuple(given.items()), "icarus", 1))
    assert result.good, "\n".join(explain(result))
