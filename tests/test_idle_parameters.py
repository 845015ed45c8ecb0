"""Parameters without a meaning for the others, and defaults that follow from others."""

from dataclasses import fields, replace
from typing import Any

import pytest

from hfp8_hw import ParameterError, golden
from hfp8_hw.formats import CATALOGUE
from hfp8_hw.parameters import UNITS, unit_parameters
from hfp8_hw.parameters.dot import DOT_SEMANTICS
from rtl_gen.package import generate

from .conftest import Cli

EXACT = {"semantics": "exact", "a": "HFP8_FWD", "b": "HFP8_FWD"}
FLOATING = ("segments", "drop", "align", "operands", "terms", "rounder")
OTHER: dict[str, Any] = {
    "chunk": 64, "terms": 1024, "segments": 2, "drop": 1, "interleave": 2, "align": "dsp",
    "operands": "fixed", "rounding": "RNE", "overflow": "special", "random": "xorshift32",
    "random_seed": 1, "rounder": "pipelined",
}  # fmt: skip
"""A value that would be allowed elsewhere; of those that are always there, the default."""

IDLE: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("mac", {}, FLOATING),
    ("mac", {"semantics": "fma"}, ("chunk", *FLOATING)),
    ("mac", EXACT, ("chunk", "interleave")),
    ("mac", {"semantics": "exact_chunk"}, ("terms", "interleave", "rounder")),
    ("mac", {**EXACT, "acc": "fixed"}, ("chunk", "interleave", "rounding", "overflow", "rounder")),
    ("dot", {}, ("terms", "interleave", "rounder")),
    ("dot", {"semantics": "exact"}, ("chunk", "interleave")),
    ("dot", {"semantics": "fmma", "lanes": 2}, ("chunk", *FLOATING)),
    ("dot", {"semantics": "dotN"}, ("chunk", *FLOATING)),
    ("dot", {**EXACT, "acc": "fixed"}, ("chunk", "interleave", "rounding", "overflow", "rounder")),
    ("mul", {}, ("rounding",)),
    ("mul", {"out": "FP16"}, ()),
    ("quantizer", {}, ("random", "random_seed")),
    ("quantizer", {"rounding": "SR(8)"}, ("random_seed",)),
    ("quantizer", {"rounding": "SR(8)", "random": "xorshift32"}, ()),
    ("sgd_update", {}, ()),
    ("sgd_update", {"random": "input"}, ("random_seed",)),
    ("sgd_update", {"rounding": "RNE"}, ("random", "random_seed")),
    *((unit, {}, ()) for unit in UNITS
      if unit not in ("mac", "dot", "mul", "quantizer", "sgd_update")),
]  # fmt: skip
"""By hand: unit, parameters, and those that then do nothing."""


@pytest.mark.parametrize(("unit", "given", "idle"), IDLE)
def test_idle_parameters(unit: str, given: dict[str, Any], idle: tuple[str, ...]) -> None:
    parameters = unit_parameters(unit, given)
    every = {f.name for f in fields(parameters)}
    assert set(parameters.idle) == set(idle)
    assert set(parameters.to_dict()) == every - set(idle)
    for name in idle:
        with pytest.raises(ParameterError) as error:
            unit_parameters(unit, {**given, name: OTHER[name]})
        text = str(error.value)
        assert text.startswith(f"{name}={OTHER[name]!r} is not allowed for "), text
        assert ": " in text.removeprefix(name) and "\n" not in text
        off = next(f.metadata["off"] for f in fields(parameters) if f.name == name)
        assert getattr(parameters, name) == off
        assert unit_parameters(unit, {**given, name: off}) == parameters
    assert unit_parameters(unit, parameters.to_dict()) == parameters
    assert replace(parameters) == parameters and hash(replace(parameters)) == hash(parameters)


def test_what_is_on_may_be_given() -> None:
    """Every default of a parameter that has a meaning is allowed, and changes nothing."""
    for unit, given, _ in IDLE:
        parameters = unit_parameters(unit, given)
        for name, value in parameters.to_dict().items():
            assert unit_parameters(unit, {**given, name: value}) == parameters
            assert unit_parameters(unit, {**given, name: None if name not in given else value})


def test_the_manifest_has_what_matters() -> None:
    manifest = generate(unit_parameters("mac", {"semantics": "fma"})).manifest
    assert manifest["parameters"] == {
        "stages": 3, "a": "HFP8", "b": "HFP8", "acc": "DLFLOAT16", "semantics": "fma",
        "rounding": "RNA", "overflow": "special", "bias": "static", "interleave": 1,
    }  # fmt: skip
    assert "chunk" not in manifest["golden"]["arguments"]


@pytest.mark.parametrize(
    ("unit", "given", "said"),
    [
        (
            "mac",
            {"semantics": "exact", "acc": "fixed"},
            "acc='fixed' is not allowed for HFP8 x HFP8 with terms=1024: the sum needs",
        ),
        (
            "mac",
            {
                "semantics": "exact",
                "acc": "fixed",
                "a": "HFP8_FWD",
                "b": "HFP8_BWD",
                "terms": 1 << 24,
            },
            "at most 62; it fits with terms up to ",
        ),
        ("mac", {"stages": 5}, "stages=5 is not allowed: an integer from 1 to 4, or 0 for 3"),
        ("mac", {**EXACT, "stages": 1}, "an integer from 2 to 6, or 0 for 4"),
        ("mac", {**EXACT, "align": "dsp", "stages": 8}, "an integer from 2 to 7, or 0 for 7"),
        ("mac", {"stages": True}, "stages=True is not allowed: an integer from 1 to 4, or 0 for 3"),
        ("dot", {"stages": 7}, "stages=7 is not allowed: an integer from 2 to 6, or 0 for 4"),
        ("dot", {"semantics": "dotN", "stages": 99}, "an integer from 1 to 11, or 0 for 11"),
        ("dot", {"chunk": 12}, "chunk=12 is not allowed for lanes=8: a multiple of lanes up to"),
        ("dot", {"chunk": -8}, "up to 65536, or 0 for 512"),
        ("mul", {"stages": 0}, "stages=0 is not allowed: an integer from 1 to 6"),
    ],
)
def test_messages_say_all_that_is_allowed(unit: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError) as error:
        unit_parameters(unit, given)
    assert said in str(error.value)


def test_what_a_message_proposes_works() -> None:
    """Of a sum that is too wide for acc=fixed: the largest terms and the least drop."""
    given = {"semantics": "exact", "acc": "fixed", "a": "HFP8_FWD", "b": "HFP8_BWD"}
    with pytest.raises(ParameterError) as error:
        unit_parameters("mac", {**given, "terms": 1 << 24})
    words = str(error.value).split("at most 62; ")[1].replace(",", "").split()
    terms, drop = (int(word) for word in words if word.isdigit())
    assert unit_parameters("mac", {**given, "terms": terms}).fixed.width <= 62
    assert unit_parameters("mac", {**given, "terms": 1 << 24, "drop": drop}).fixed.width <= 62
    for worse in ({"terms": terms + 1}, {"terms": 1 << 24, "drop": drop - 1}):
        with pytest.raises(ParameterError, match="acc='fixed' is not allowed"):
            unit_parameters("mac", {**given, **worse})


def test_idle_on_the_command_line(cli: Cli) -> None:
    said = cli.refused("gen", "mac", "--semantics", "exact", "--chunk", "64")
    assert "chunk=64 is not allowed for semantics='exact': only sums in chunks have one" in said


SINGLE: dict[str, tuple[Any, ...]] = {
    "stages": (0, 1, 5, 99), "lanes": (1, 2, 8, 64), "chunk": (0, 1, 512), "terms": (1, 1 << 24),
    "segments": (1, 8), "drop": (0, 32), "interleave": (1, 8), "align": ("lut", "dsp"),
    "operands": ("codes", "fixed"), "bias": ("static", "runtime"), "scale": ("none", "runtime"),
    "random": ("input", "xorshift32"), "random_seed": (1,), "track": ("none", "amax"),
    "rounding": ("RNE", "RUP", "SR(8)"), "overflow": ("saturate", "special"),
    "semantics": ("fma", "chunked", "exact", "exact_chunk", "fmma", "dotN"),
    "initial": (-64, 63), "growth": (1, 65536), "floor": (-64, 17, 63), "ceiling": (-64, 15, 63),
}  # fmt: skip
"""Values of each parameter that some unit allows; of formats, all named ones and a few more."""
FORMATS = (*CATALOGUE, "HFP8", "fixed", "exact", "E2M1B1:gradual:none", "E8M1", "E3M4:flush:fn")


@pytest.mark.parametrize("unit", UNITS)
def test_a_parameter_given_alone_is_taken_or_named(unit: str) -> None:
    """No error is of a default alone, and with the defaults a format without specials will do."""
    for field in fields(UNITS[unit]):
        for value in SINGLE.get(field.name, FORMATS):
            try:
                unit_parameters(unit, {field.name: value})
            except ParameterError as error:
                assert f"{field.name}=" in str(error)


@pytest.mark.parametrize(
    ("unit", "given", "name", "default"),
    [
        ("dot", {"semantics": "fmma"}, "lanes", 2),
        ("dot", {}, "lanes", 8),
        ("mac", {"acc": "HFP8_FWD"}, "overflow", "saturate"),
        ("mac", {"acc": "HFP8_BWD"}, "overflow", "special"),
        ("convert", {"dst": "HFP8_FWD"}, "overflow", "saturate"),
        ("fp_add", {"fmt": "HFP8_FWD"}, "overflow", "saturate"),
        ("fp_add", {"fmt": "DLFLOAT16"}, "rounding", "RNA"),
    ],
)
def test_defaults_that_follow(unit: str, given: dict[str, Any], name: str, default: Any) -> None:
    assert getattr(unit_parameters(unit, given), name) == default


def test_the_golden_model_has_the_same_overflow_defaults() -> None:
    """Two products of the largest number, 30 * 30 in HFP8_FWD, and the format cannot tell."""
    top = [CATALOGUE["HFP8_FWD"].max_code] * 2
    code, flags = golden.dot(top, top, "HFP8_FWD", "HFP8_FWD", "HFP8_FWD", flags=True)
    assert (int(code), int(flags) & 1) == (top[0], 1)


def test_the_roundings_of_each_semantics_of_dot() -> None:
    told = fields(UNITS["dot"])
    (help_text,) = (f.metadata["help"] for f in told if f.name == "rounding")
    assert "RTO with semantics exact, exact_chunk and dotN; RNE or RNA with fmma" in help_text
    for semantics in DOT_SEMANTICS:
        for rounding in ("RNE", "RNA", "RTZ", "RUP", "RDN", "RTO"):
            given = {"semantics": semantics, "rounding": rounding}
            if semantics == "fmma" and rounding not in ("RNE", "RNA"):
                with pytest.raises(ParameterError, match="RNE or RNA"):
                    unit_parameters("dot", given)
            else:
                assert unit_parameters("dot", given).rounding == rounding
