"""How large sums get: the bound against the golden model, and what is left out with it."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hfp8_hw import parse_format
from hfp8_hw.golden import decode
from verif.coverage import unreachable
from verif.formal import register_ranges
from verif.simulation import code_coverage
from verif.simulation.verify import package_of
from verif.stimulus import sum_bounds
from verif.stimulus.reference import expected

from .conftest import HOUR, later

SUMS: list[tuple[str, dict[str, Any]]] = [
    ("mac", {"semantics": "fma", "acc": "BF16"}),
    ("mac", {"chunk": 8, "acc": "BF16"}),
    ("mac", {"chunk": 1, "acc": "FP32"}),
    ("mac", {"semantics": "exact_chunk", "chunk": 16, "acc": "BF16"}),
    ("mac", {"semantics": "exact", "acc": "FP32"}),
    ("dot", {"semantics": "fmma", "lanes": 2, "acc": "BF16"}),
    ("dot", {"semantics": "dotN", "lanes": 4, "acc": "BF16"}),
]
CASES = [
    (unit, given, rounding) if rounding == "RNE" else later(unit, given, rounding)
    for unit, given in SUMS
    for rounding in ("RNE", "RNA", "RTZ", "RUP", "RDN", "RTO")
    if given.get("semantics") != "fmma" or rounding in ("RNE", "RNA")
]


@pytest.mark.parametrize(("unit", "given", "rounding"), CASES)
def test_sums_of_the_largest_products_are_within_the_bound(
    unit: str, given: dict[str, Any], rounding: str
) -> None:
    """Of both signs: rounding is monotone, so no other sum is larger. 3000 items, so that BF16's
    sums stop growing, or grow by rounding alone."""
    options = {"a": "HFP8_FWD", "b": "E4M3FN", "rounding": rounding, **given}
    made = package_of(unit, tuple(options.items()))
    count, lanes = 3000, int(made.manifest["parameters"].get("lanes", 1))
    largest = [parse_format(options[name]).max_code for name in "ab"]
    inputs = {
        port["name"]: np.full((count, 2), largest["ab".index(port["name"][2])], np.int64)
        for port in made.manifest["ports"]
        if port["dir"] == "in" and "format" in port
    }
    for port in [name for name in inputs if name.startswith("i_a")]:
        inputs[port][:, 1] |= 0x80
    inputs["i_first"] = np.zeros((count, 2), np.int64)
    inputs["i_last"] = inputs["i_first"].copy()
    inputs["i_first"][0] = inputs["i_last"][-1] = 1
    acc = parse_format(options["acc"])
    got = np.abs(decode(expected(made.manifest, inputs)[0]["o_y"].reshape(-1), acc)).max()
    bound = sum_bounds.largest(made, count * lanes)
    assert got <= bound
    # Not so large that it says nothing: a few units in the last place more at each step.
    assert bound <= 2.0**36 * got if rounding in ("RUP", "RDN", "RTO") else bound <= 64 * got


@pytest.mark.parametrize(("unit", "given", "rounding"), CASES)
def test_sums_are_multiples_of_the_smallest_step(
    unit: str, given: dict[str, Any], rounding: str
) -> None:
    """Of the smallest products and of any, that cancel or nearly do; the accumulator's format has
    smaller numbers than the step."""
    options = {"a": "E3M2", "b": "E4M3FN", "rounding": rounding, **given}
    made = package_of(unit, tuple(options.items()))
    rng = np.random.default_rng(5)
    count, copies = 12, 4000
    formats = [parse_format(options[name]) for name in "ab"]
    inputs = {}
    for port in made.manifest["ports"]:
        if port["dir"] == "in" and "format" in port:
            fmt = formats["ab".index(port["name"][2])]
            top = rng.choice([fmt.min_code + 2, fmt.max_code], copies)
            inputs[port["name"]] = rng.integers(0, top + 1, (count, copies))
    for port, codes in inputs.items():
        codes[count // 2 :] = codes[: count // 2]
        if port.startswith("i_a"):
            codes[count // 2 :] |= formats[0].sign_mask
            codes[-1] += rng.integers(-1, 2, copies)
            codes[-1] = np.clip(codes[-1], formats[0].sign_mask, formats[0].sign_mask | 1)
    inputs["i_first"] = np.zeros((count, copies), np.int64)
    inputs["i_last"] = inputs["i_first"].copy()
    inputs["i_first"][0] = inputs["i_last"][-1] = 1
    acc, step = parse_format(options["acc"]), sum_bounds.smallest(made)
    sums = decode(expected(made.manifest, inputs)[0]["o_y"].reshape(-1), acc)
    assert step > acc.min
    assert not np.fmod(sums[np.isfinite(sums)], step).any()
    assert (np.abs(sums) == step).any()


def test_what_is_assumed_of_registers() -> None:
    made = package_of("mac", (("a", "HFP8_FWD"), ("b", "HFP8_FWD"), ("chunk", 5), ("stages", 2)))
    texts = register_ranges.assumed(made)
    assert texts == [
        text
        for net in ("o_y", "slot_total")
        for text in [f"{net}[14:0] <= 28672", f"{net}[14:0] < 1 || {net}[14:0] >= {3 << 9}"]
        + [f"!{net}[{bit}] || {net}[14:9] >= {12 - bit}" for bit in range(9)]
    ]
    # NaN stays NaN.
    made = package_of("mac", (("a", "HFP8_BWD"), ("b", "HFP8_FWD"), ("acc", "FP32")))
    assert register_ranges.assumed(made)[0].endswith(" || o_y[30:0] > 2139095039")
    # Filled by few products, and by many that are rounded up.
    assert register_ranges.assumed(package_of("mac", (("acc", "FP16"),))) == []
    made = package_of("mac", (("acc", "BF16"), ("chunk", 1), ("rounding", "RUP")))
    turned = {f"{net}[14:0] != 32640 || !{net}[15]" for net in register_ranges.named(made)}
    assert turned and {t for t in register_ranges.assumed(made) if ">= " not in t} == turned
    assert register_ranges.assumed(package_of("relu", ())) == []
    # Sums are rounded up to the smallest number, (1 + 2**-9) * 2**-31, and grow from there.
    options = (("a", "HFP8_BWD"), ("b", "HFP8_BWD"), ("chunk", 1))
    assert not any("!" in text for text in register_ranges.assumed(package_of("mac", options)))


@pytest.mark.parametrize("name", ["FP16", "DLFLOAT16"])
@pytest.mark.parametrize("step", [2.0**-20, 2.0**-3, 16.0])
def test_which_codes_are_multiples(step: float, name: str) -> None:
    """All numbers of a format that are at least a step."""
    fmt = parse_format(name)
    codes = np.arange(fmt.max_code + 1)
    values = decode(codes, fmt)
    told = np.ones(len(codes), bool)
    for bit, field in register_ranges._fields(fmt, step):
        told &= (codes >> bit & 1 == 0) | (codes >> fmt.man_bits >= field)
    large = values >= step
    assert (told == (np.fmod(values, step) == 0))[large].all() and not told[large].all()


@pytest.mark.parametrize(
    ("rounding", "signs"), [("RTZ", set()), ("RDN", {1}), ("RUP", {0}), ("RNE", {0, 1})]
)
def test_which_infinities_come_of_overflow(rounding: str, signs: set[int]) -> None:
    """Of sums of the largest products in binary16, of both signs."""
    options = {"a": "HFP8_FWD", "b": "E4M3FN", "acc": "FP16", "rounding": rounding}
    made = package_of("mac", tuple({**options, "overflow": "special", "chunk": 1}.items()))
    codes = np.array([parse_format(options[name]).max_code for name in "ab"])
    inputs = {"i_a": np.full((400, 2), codes[0]), "i_b": np.full((400, 2), codes[1])}
    inputs["i_a"][:, 1] |= 0x80
    inputs["i_first"] = np.zeros((400, 2), np.int64)
    inputs["i_last"] = inputs["i_first"].copy()
    inputs["i_first"][0] = inputs["i_last"][-1] = 1
    got = expected(made.manifest, inputs)[0]["o_y"].reshape(-1)
    assert {int(code) >> 15 for code in got if code & 0x7FFF == 0x7C00} == signs
    texts = [text for text in register_ranges.assumed(made) if "!= 31744" in text]
    assert bool(texts) == (rounding != "RNE")


def test_few_numbers_of_one_step_are_not_rounded() -> None:
    assert sum_bounds.grown(3.0, 100, 8, "RNE", 1.0) == 300
    assert sum_bounds.grown(3.0, 200, 8, "RNE", 1.0) == sum_bounds.grown(3.0, 200, 8, "RNE") > 600


def test_fixed_point_totals_are_no_codes() -> None:
    """Though one may be as wide as the accumulator's format."""
    options = {"semantics": "exact_chunk", "a": "HFP8_FWD", "b": "HFP8_FWD"}
    made = package_of("mac", tuple(options.items()))
    wide = re.search(r"reg \[(\d+):0\] held_total", made.verilog)
    assert wide is not None
    same = made.verilog.replace(f"[{wide[1]}:0] held_total", "[15:0] held_total")
    texts = register_ranges.assumed(replace(made, verilog=same))
    assert any("part" in text for text in texts)
    assert not any("held_total" in text for text in texts)


@pytest.mark.slow
def test_what_nothing_fills_is_unreachable_and_the_rest_is_not() -> None:
    made = package_of("mac", (("a", "HFP8_FWD"), ("b", "HFP8_FWD"), ("chunk", 5), ("stages", 2)))
    places = [
        code_coverage.Place("toggle", 1, f"{net}:0->1", 1, 0)
        for net in ("y_over", "o_flags[0]", "o_valid", "o_flags[2]", "o_y[13]", "o_y[15]")
    ]
    found = unreachable.never_changes(made, places, HOUR)
    assert found == [True, True, False, False, False, False]
