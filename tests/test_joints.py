"""Sums aimed at where chunks' sums are added, and other faults that only long sums show."""

import re
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hfp8_hw import parse_format
from hfp8_hw.golden import decode, dot
from verif.simulation.verify import phases
from verif.stimulus import edge_sums, edges
from verif.stimulus.chunk_edges import growth, joints
from verif.stimulus.reference import expected, sums
from verif.sweep import compiled_model, sweep

from .test_prove import package


def test_totals_meet_the_ends_of_the_format() -> None:
    made = package("mac")
    inputs = joints(made, np.random.default_rng(3), 16)
    assert inputs is not None
    outputs, spans = expected(made.manifest, inputs)
    codes, flags = outputs["o_y"], outputs["o_flags"]
    # -0 as the sum of two chunks that were rounded to it; 131 products each.
    assert (codes == 0x8000).any()
    assert {len(span) for span in spans} >= {66, 131}
    # Overflow although no chunk's sum overflows.
    a, b = (inputs[port] for port in ("i_a", "i_b"))
    late = 0
    for span, row in zip(spans, flags, strict=True):
        for lane in np.flatnonzero(row & 1):
            part = slice(span[0], span[0] + 64)
            _, first = dot(
                a[part, lane], b[part, lane], "HFP8_BWD", "HFP8_BWD", "DLFLOAT16", flags=True
            )
            rest = slice(span[0] + 64, span[-1] + 1)
            _, second = dot(
                a[rest, lane], b[rest, lane], "HFP8_BWD", "HFP8_BWD", "DLFLOAT16", flags=True
            )
            late += not (first | second) & 1
    assert late > 3


def test_sums_that_take_turns_have_theirs() -> None:
    made = package("mac", interleave=3, chunk=7)
    inputs = joints(made, np.random.default_rng(3), 4)
    assert inputs is not None
    spans = sums(inputs["i_first"][:, 0], inputs["i_last"][:, 0], 3)
    assert len(spans) % 3 == 0 and all(span.step == 3 for span in spans)
    found = sweep.drive(made, compiled_model.model(made), inputs, 0)
    assert found.good, found


@pytest.mark.parametrize(
    "given",
    [{"chunk": 4096}, {"semantics": "exact", "acc": "fixed", "a": "HFP8_FWD", "b": "HFP8_FWD"}],
)
def test_units_without_such_sums(given: dict[str, Any]) -> None:
    assert joints(package("mac", **given), np.random.default_rng(0), 16) is None


@pytest.mark.parametrize("semantics", ["chunked", "exact_chunk"])
def test_an_underflow_and_an_overflow_in_one_sum(semantics: str) -> None:
    """With run-time biases too."""
    made = package("mac", semantics=semantics, bias="runtime", acc="FP16", chunk=8)
    inputs = joints(made, np.random.default_rng(1), 16)
    assert inputs is not None
    flags = expected(made.manifest, inputs)[0]["o_flags"]
    assert (flags & 3 == 3).any()


def test_infinities_that_meet() -> None:
    """Of overflows and of operands: invalid where they are kept; where they saturate, only an
    infinity times zero is."""
    for overflow, invalid in (("special", True), ("saturate", False)):
        made = package("mac", a="E5M2", b="E5M2", acc="FP16", chunk=8, overflow=overflow)
        inputs = joints(made, np.random.default_rng(1), 16)
        assert inputs is not None
        outputs, spans = expected(made.manifest, inputs)
        a, b = inputs["i_a"] & 0x7F, inputs["i_b"] & 0x7F
        nothing = ((a == 0x7C) & (b == 0)) | ((a == 0) & (b == 0x7C))
        nothings = np.array([nothing[span.start : span.stop].any(axis=0) for span in spans])
        assert nothings.any() and (outputs["o_flags"][nothings] >= 8).all()
        assert (outputs["o_flags"][~nothings] >= 8).any() == invalid


def test_a_sum_grows_to_overflow_by_rounding_alone() -> None:
    made = package("mac", acc="BF16", bias="runtime", chunk=1, rounding="RUP")
    inputs = growth(made, 16)
    assert inputs is not None and len(inputs["i_last"]) <= 5000
    flags = expected(made.manifest, inputs)[0]["o_flags"]
    assert flags[0, 1] & 1 and not flags[0, 0] & 1  # Up, so of positive sums only.
    for given in ({"rounding": "RNE"}, {"acc": "FP32"}, {"acc": "FP16"}, {"chunk": 2}):
        other = {"acc": "BF16", "bias": "runtime", "chunk": 1, "rounding": "RUP", **given}
        assert growth(package("mac", **other), 16) is None, given


def test_a_sum_goes_to_and_fro_across_its_highest_power_of_two() -> None:
    """Some step back leaves an odd multiple of the smallest product, so that every bit counts."""
    a, b = "E2M2B1:gradual:none", "E2M1B1:gradual:none"
    made = package("dot", semantics="dotN", lanes=2, a=a, b=b, acc="FP32")
    inputs = growth(made, 16)
    assert inputs is not None
    products = sum(
        decode(inputs[f"i_a{k}"], parse_format(a)) * decode(inputs[f"i_b{k}"], parse_format(b))
        for k in range(2)
    )
    long = int(np.flatnonzero(inputs["i_last"][:, 0])[0]) + 1
    totals = np.abs(np.cumsum(products[:long], axis=0)) / (0.25 * 0.5)
    back = (totals[:-1] >= 2**23) & (totals[1:] < 2**23) & (totals[1:] % 2 == 1)
    assert back.any() and totals.max() < 2**24
    assert len(set(totals[-1].tolist())) >= 8


def killed_by(bad: Any, made: Any) -> str | None:
    """The first phase of the regression of ``made`` that tells ``bad`` from it."""
    model = compiled_model.model(bad)
    for phase in phases(made, 1):
        number = sweep.STALLED - 1 if phase.stall else 0
        if not sweep.drive(made, model, phase.inputs, number).good:
            return phase.name
    return None


@pytest.mark.parametrize(
    ("old", "new", "phase"),
    [
        # A chunk is counted as one longer, or while nothing comes.
        (r"slot_taken == 6'h3f", "slot_taken == 6'h3e", "random"),
        (r"slot_taken \+ \{5'h0, got\}", "slot_taken + 6'h1", "back-pressure"),
        # The flags of a sum that was given up where a chunk had ended stay.
        (r"wire (\w+) = ~slot_dirty;\n", r"wire \1 = ~slot_dirty & 1'b0;\n", "random"),
        # The largest number rounded up is no overflow.
        (r"wire y_full = .*;", "wire y_full = 1'b0;", "chunks"),
        # Zero is never negative.
        (r"sum_zero \? sum_sign_if_zero :", "sum_zero ? 1'b0 :", "chunks"),
    ],
)
def test_faults_that_only_long_sums_show(old: str, new: str, phase: str) -> None:
    made = package("mac")
    text, count = re.subn(old, new, made.verilog)
    assert count == 1, old
    assert killed_by(replace(made, verilog=text), made) == phase
    assert killed_by(made, made) is None


def test_wide_operands_are_sampled() -> None:
    """All pairs of binary16's codes would take gigabytes."""
    fmt = parse_format("FP16")
    codes = edge_sums.magnitudes(fmt)
    assert len(codes) < 400 and {1, 1 << 10, fmt.max_code} <= {int(code) for code in codes}
    made = package("mac", a="FP16", b="FP16", acc="FP32", chunk=8)
    assert joints(made, np.random.default_rng(1), 16) is not None
    small = parse_format("E4M3FN")
    assert edge_sums.magnitudes(small).tolist() == list(range(1, small.max_code + 1))


def test_neighbours_of_a_wide_format_take_little_memory() -> None:
    """Listing all codes of binary32 took 16 GB, and runs in parallel were killed for it."""
    tracemalloc.start()
    found = edges.halfway_codes(parse_format("FP32"), parse_format("FP32"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
    top = parse_format("FP32").max_code
    assert {1, 2, 128, top - 1, top} <= {int(code) for code in found}
