"""Parameter objects: what their arguments may be."""

import json
import math
from dataclasses import fields
from typing import Any

import pytest

from hfp8_hw import CATALOGUE, ParameterError, parse_format
from hfp8_hw.parameters import UNITS, unit_parameters
from hfp8_hw.rounding import Rounding

WRONG: tuple[Any, ...] = (
    3.0, 2.0, 16.0, math.nan, [], [1], {}, {"a": 1}, b"RNE", (1, 2), set(), object, True, False, "",
    " ", "1_0", " 3", -(10**30), "rne", " exact", "exact ", "fp32", "FP32\n",
)  # fmt: skip
"""Types that no parameter has, and words and numbers that are not spelt as they are listed."""


@pytest.mark.parametrize("unit", UNITS)
def test_no_parameter_takes_another_type_or_spelling(unit: str) -> None:
    for field in fields(UNITS[unit]):
        for value in WRONG:
            for make in (unit_parameters, lambda name, given: UNITS[name](**given)):
                with pytest.raises(ParameterError, match=f"^{field.name}=") as error:
                    make(unit, {field.name: value})
                assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("unit", "given", "said"),
    [
        ("mac", None, "given=None is not allowed: a mapping of parameters to values"),
        ("mac", [("stages", 1)], "given=[('stages', 1)] is not allowed: a mapping"),
        ("mac", "stages", "given='stages' is not allowed: a mapping"),
        ("mac", {1: 2}, "1=2 is not allowed: mac has no such parameter"),
        (None, {}, "unit=None is not allowed: one of quantizer"),
        (["mac"], {}, "unit=['mac'] is not allowed: one of quantizer"),
    ],
)
def test_what_is_no_unit_or_no_mapping(unit: object, given: Any, said: str) -> None:
    with pytest.raises(ParameterError) as error:
        unit_parameters(unit, given)
    assert str(error.value).startswith(said)


def test_formats_and_roundings_may_be_objects() -> None:
    """They are kept as names, as files have them."""
    own = parse_format("E3M4B5:gradual:fn")
    objects = {"src": own, "dst": CATALOGUE["E5M2"], "rounding": Rounding("SR", 4)}
    names = {"src": "E3M4B5:gradual:fn", "dst": "E5M2", "rounding": "SR(4)"}
    made = unit_parameters("quantizer", objects)
    assert made == unit_parameters("quantizer", names) and made.top
    assert json.loads(json.dumps(made.to_dict()))["src"] == names["src"]
