"""Sums and codes made for single moments, and the faults that nothing else found."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hfp8_hw import parse_format
from hfp8_hw.golden import decode, quantize
from verif.simulation.simulate import run
from verif.simulation.verify import phases
from verif.stimulus import edges, sum_events
from verif.stimulus.edge_sums import carries
from verif.stimulus.reference import expected, sums
from verif.sweep import compiled_model, sweep

from .test_prove import package


@pytest.mark.parametrize(
    ("unit", "given", "old", "new", "phase"),
    [
        # A carry loses the lowest bit of what it shifts out.
        ("mac", {}, r"wire sum_fine_by1_bit0 = .*;", "wire sum_fine_by1_bit0 = 1'b0;", "carries"),
        # A reset leaves the lowest bit of the count of a chunk.
        ("mac", {}, r"slot_taken <= 6'h0;", "slot_taken <= slot_taken & 6'h1;", "reset 1"),
        # The flags of a sum that was given up after a chunk's end stay if the next one is late.
        ("mac", {}, r"(wire \w+ = ~slot_dirty;\n  wire \w+ =) .*;", r"\1 1'b0;", "given up, rare"),
        # One bit of a significand does not make NaN, or is not seen below a tie.
        ("quantizer", {}, r"\|i_x\[18:0\]", "|i_x[18:1]", "single bits"),
        ("quantizer", {}, r"\|\{i_x\[19\], y_sticky\}", "|{y_sticky}", "single bits"),
    ],
)
def test_faults_that_show_for_a_moment(
    unit: str, given: dict[str, Any], old: str, new: str, phase: str
) -> None:
    made = package(unit, **given)
    text, count = re.subn(old, new, made.verilog)
    assert count == 1, old
    (number, aimed), *_ = (
        (sweep.STALLED - 1 if found.stall else 0, found)
        for found in phases(made, 1) if found.name == phase
    )  # fmt: skip
    bad = compiled_model.model(replace(made, verilog=text))
    assert not sweep.drive(made, bad, aimed.inputs, number).good
    assert sweep.drive(made, compiled_model.model(made), aimed.inputs, number).good


@pytest.mark.slow
def test_resets_meet_an_addition_of_chunks() -> None:
    """A unit that goes on adding while it is reset gives a result of the sum that was given up."""
    made = package("mac", semantics="exact_chunk", acc="FP16")
    text, count = re.subn(
        r"(if \(\w+)(\) total_state <= )", r"\1 & ~total_state[6]\2", made.verilog
    )
    assert count == 1
    for found in phases(made, 1):
        if found.resets or found.reset_at:
            aimed = found.name == "reset in a sum"
            assert run(made, "verilator", [found], seed=1).good
            assert run(replace(made, verilog=text), "verilator", [found], seed=1).good != aimed
    short = package("mac", semantics="exact_chunk", acc="FP16", chunk=1)
    assert sum_events.abandoned(short, np.random.default_rng(1), 16) is None
    whole = package("mac", semantics="exact", acc="FP16")
    assert sum_events.abandoned(whole, np.random.default_rng(1), 16) is None


def test_carries_leave_less_than_a_unit() -> None:
    fmt, acc = parse_format("HFP8_BWD"), parse_format("DLFLOAT16")
    found, parts = carries(fmt, fmt, acc), set()
    for picks in found:
        values = [float(np.prod(decode(np.array(pick), fmt))) for pick in picks]
        below = sum(values[:-1])
        power = 2.0 ** np.ceil(np.log2(below))
        unit = power / 2 ** (acc.man_bits + 1)
        assert below == power - unit
        parts.add((sum(values) - power) / unit)
    assert len(found) > 60 and parts == {1 / 2, 1 / 4, 1 / 8}  # 17/16 is no product.


@pytest.mark.parametrize("given", [{}, {"acc": "FP16", "chunk": 5, "interleave": 3}])
def test_what_follows_a_sum_that_was_given_up_is_one(given: dict[str, Any]) -> None:
    made = package("mac", **given)
    inputs = sum_events.given_up(made, np.random.default_rng(1), 16)
    turns = given.get("interleave", 1)
    spans = sums(inputs["i_first"][:, 0], inputs["i_last"][:, 0], turns)
    assert {len(span) for span in spans} == {1} and len(spans) == (6 if turns == 1 else 4) * turns
    outputs = expected(made.manifest, inputs)[0]
    acc = parse_format(given.get("acc", "DLFLOAT16"))
    assert (decode(outputs["o_y"], acc) == 1).all() and (outputs["o_flags"] == 0).all()


def test_single_bits_of_wide_codes() -> None:
    src, dst = parse_format("FP32"), parse_format("HFP8_FWD")
    codes = edges.single_bits(src, dst)
    man, field = codes & 0x7FFFFF, codes >> 23 & 0xFF
    for exponent in (0, 1, 127, 254, 255):
        assert {1 << k for k in range(23)} <= set(man[field == exponent].tolist())
    # Powers of 2 whose exponent is one bit, for zero is told by all of them.
    assert {1 << k for k in range(8)} <= set(field[man == 0].tolist())
    # One bit beyond the tie between the two smallest magnitudes of the result.
    tie = int(quantize(np.array([(dst.min + dst.value(dst.min_code + 1)) / 2]), src)[0])
    assert {tie | 1 << k for k in range(23)} <= set(codes.tolist())
    assert set((codes ^ src.sign_mask).tolist()) == set(codes.tolist())


def test_small_sums_meet_the_largest_products() -> None:
    """Some have been rounded up to the smallest number, (1 + 2**-9) * 2**-31, and then brought to
    its unit below a multiple of 2**-34, of which no sum of products alone can be."""
    made = package("dot", semantics="dotN", lanes=4, interleave=2)
    inputs = sum_events.far(made, np.random.default_rng(1), 16)
    assert inputs is not None
    frames = {port: codes.reshape(-1, 4, 2, 16) for port, codes in inputs.items()}
    assert (frames["i_first"][:, 0] == 1).all() and (frames["i_last"][:, 3] == 1).all()
    # The small ones of every second sum, the last of which ends it here.
    small = {port: codes[::2, :3].reshape(-1, 16).copy() for port, codes in frames.items()}
    small["i_last"].reshape(-1, 3, 2, 16)[:, 2] = 1
    codes = expected(made.manifest, small)[0]["o_y"].reshape(-1) & 0x7FFF
    assert (codes == 1).any() and ((codes < 1 << 9) & (codes & 0x3F == 0x3F)).any()
    for at, order in ((3, slice(0, None, 2)), (0, slice(1, None, 2))):
        large = frames["i_a0"][order, at]
        assert {0x7E, 0x7F} < set(large.reshape(-1).tolist())
    zero_times_nan = (frames["i_a0"] == 0) & (frames["i_b0"] == 0x7F)
    assert zero_times_nan[::2, 3].any() and zero_times_nan[1::2, 0].any()
    assert sum_events.far(package("dot"), np.random.default_rng(1), 16) is None
    assert sum_events.far(package("mac", semantics="fma"), np.random.default_rng(1), 16) is None
