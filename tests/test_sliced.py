"""Units as gates, 512 streams at once: the same results as the compiled model's."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from hfp8_hw.parameters import unit_parameters
from rtl_gen.tools import ToolError
from verif.simulation.configurations import MATRIX
from verif.stimulus import input_space
from verif.stimulus.reference import as_driven
from verif.stimulus.vectors import random_inputs
from verif.sweep import bitsliced_gates, compiled_model, sweep
from verif.sweep.bitsliced_unit import sliced

from .test_prove import line, package


def stateless(unit: str, given: dict[str, Any]) -> bool:
    """As `input_space.has_state` says of what is generated, which takes long for all."""
    parameters = unit_parameters(unit, given)
    return unit not in ("mac", "dot", "loss_scale") and "random" not in parameters.golden_arguments


STATELESS = [
    pytest.param(unit, given, marks=[pytest.mark.slow] if k else [])
    for unit, configurations in MATRIX.items()
    for k, given in enumerate(filter(partial(stateless, unit), configurations[:3]))
]


@pytest.mark.parametrize(("unit", "given"), STATELESS)
def test_results_are_those_of_the_compiled_model(unit: str, given: dict[str, Any]) -> None:
    made = package(unit, **given)
    assert not input_space.has_state(made)
    inputs = random_inputs(made, np.random.default_rng(8), 3 * bitsliced_gates.LANES, 1)
    driven = {port: v[:, 0] for port, v in as_driven(made.manifest, inputs).items()}
    got = sliced(made).run(driven)
    want = compiled_model.model(made).run(driven, 3 * bitsliced_gates.LANES)
    assert got.error is None and want.error is None
    assert got.given == want.given == 3 * bitsliced_gates.LANES
    for port, values in want.outputs.items():
        np.testing.assert_array_equal(got.outputs[port], values, err_msg=port)


def test_words_that_count_and_words_that_stay() -> None:
    """How a port's bits are made depends on its words: all equal, counting, or any."""
    made = package("convert", src="DLFLOAT16", dst="FP32")
    model, other = sliced(made), compiled_model.model(made)
    size = bitsliced_gates.LANES
    count = np.arange(size)
    for words in (count, count + 512, count + 1, count * 0 + 0x1234, (count * 37) ^ 0x5555,
                  count & 0x1FE, np.where(count == 511, 0, count)):  # fmt: skip
        driven = {"i_x": words.astype(np.uint16)}
        got, want = model.run(driven), other.run(driven, size)
        for port, values in want.outputs.items():
            np.testing.assert_array_equal(got.outputs[port], values)


def test_bytes_that_wrap_while_they_count() -> None:
    made = package("relu", fmt="E4M3FN")
    count = np.arange(bitsliced_gates.LANES)
    for words in (count, count + 128, count + 1, count // 2):
        driven = {"i_x": words.astype(np.uint8)}
        got = sliced(made).run(driven)
        want = compiled_model.model(made).run(driven, bitsliced_gates.LANES)
        np.testing.assert_array_equal(got.outputs["o_y"], want.outputs["o_y"])


@pytest.mark.parametrize(
    ("old", "new", "clock"),
    [("assign i_ready =", "  assign i_ready = 1'b0;", 0),
     ("assign o_valid =", "  assign o_valid = 1'b0;", 2),
     ("assign o_valid =", "  assign o_valid = 1'b1;", 0)],
)  # fmt: skip
def test_valid_and_ready_are_watched(old: str, new: str, clock: int) -> None:
    made = package("mul", a="HFP8_FWD", b="HFP8_FWD", stages=2)
    bad = replace(made, verilog=made.verilog.replace(line(made, old), new, 1))
    inputs = random_inputs(made, np.random.default_rng(1), 2 * bitsliced_gates.LANES, 1)
    found = sweep.drive_sliced(bad, sliced(bad), inputs, 5)
    said = f"block 5: valid or ready is wrong {clock} clocks after reset, with nothing stalled"
    assert found.error == said and not found.good


def test_a_result_in_a_later_clock_is_an_error() -> None:
    made, later = (package("mul", a="HFP8_FWD", b="HFP8_FWD", stages=n) for n in (2, 3))
    inputs = random_inputs(made, np.random.default_rng(1), 2 * bitsliced_gates.LANES, 1)
    slow = replace(made, verilog=later.verilog.replace(later.manifest["top"], made.manifest["top"]))
    found = sweep.drive_sliced(made, sliced(slow), inputs, 0)
    assert found.error is not None and "wrong 2 clocks after reset" in found.error


def test_wrong_arithmetic_is_found() -> None:
    made = package("quantizer", src="FP16")
    bad = replace(made, verilog=made.verilog.replace(line(made, "wire y_up ="), "wire y_up = 0;"))
    inputs = {"i_x": np.arange(1 << 16, dtype=np.uint16)[:, None]}
    found = sweep.drive_sliced(bad, sliced(bad), inputs, 0)
    assert found.mismatches > 0 and found.results == 1 << 16 and found.first is not None
    (x,) = found.first["inputs"]["i_x"]
    assert found.first["index"] == x
    assert sweep.drive_sliced(made, sliced(made), inputs, 0).good


def test_gates_in_a_loop_are_refused() -> None:
    made = package("relu")
    bad = replace(made, verilog=made.verilog.replace(
        line(made, "assign o_valid ="), "  wire a, b; assign a = b & i_valid; assign b = a | rst;\n"
        "  assign o_valid = a;", 1))  # fmt: skip
    with pytest.raises(ToolError, match="a loop of gates"):
        sliced(bad)
    latch = {"type": "$_DLATCH_P_", "connections": {"D": [2], "E": [3], "Q": [4]}}
    with pytest.raises(ToolError, match=r"a cell that is no gate: \$_DLATCH_P_"):
        bitsliced_gates.Gates({"cells": {"one": latch}})
