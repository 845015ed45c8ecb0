"""Counting through all inputs: the gates are evaluated right, every input is tried."""

from dataclasses import replace
from itertools import chain, product, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError
from rtl_gen.package import Package
from rtl_gen.tools import ToolError
from verif.errors import ToolMissing
from verif.formal import exhaustive, prove, sum_induction
from verif.formal.claims import Problem
from verif.formal.properties import problems
from verif.stimulus.reference import expected
from verif.sweep import bitsliced_gates, compiled_model, cxx_compiler, input_slices

from .conftest import HOUR, Cli, later
from .test_prove import broken, package

LIBRARY = Path(prove.__file__).parent / "library"


def claim(ports: str, text: str, bits: int) -> Problem:
    module = f"module claim({ports}, output allowed, holds);\n{text}\nendmodule\n"
    return Problem({"claim.v": module}, "read_verilog -sv claim.v\n", bits)


def tried(given: Problem) -> tuple[str, dict[str, int] | None]:
    return exhaustive.counted(given, LIBRARY, HOUR)


@pytest.mark.parametrize("wrong", [0, 1, 511, 512, 0x5A5A5, 0xFFFFF])
def test_the_one_input_is_found(wrong: int) -> None:
    text = f"assign allowed = 1'b1; assign holds = {{x, y}} != 20'd{wrong};"
    assert tried(claim("input [11:0] x, input [7:0] y", text, 20)) == (
        "failed", {"x": wrong >> 8, "y": wrong & 255},
    )  # fmt: skip


def test_what_is_not_allowed_does_not_count() -> None:
    text = "assign allowed = x != 9'd77; assign holds = x != 9'd77;"
    assert tried(claim("input [8:0] x", text, 9)) == ("proved", None)


EXPRESSIONS = [
    "a & ~b", "c[0] ? a : b", "a + b",
    *map(later, ("a | ~b", "~(a ^ b)", "a % (b | 1)",
                 "a & b", "a | b", "a ^ b", "~(a & b)", "~(a | b)", "~a", "a * b", "a << c",
                 "a > b", "^{a, b, c}")),
]  # fmt: skip


def table(expression: str) -> int:
    """What Python makes of an expression, for all 2^9 inputs: four bits each."""
    python = expression.replace("c[0] ? a : b", "a if c & 1 else b")
    python = python.replace("^{a, b, c}", "(a ^ b << 4 ^ c << 8).bit_count() & 1")
    found = 0
    for n in range(1 << 9):
        names = {"a": n & 7, "b": n >> 3 & 7, "c": n >> 6}
        found |= (int(eval(python, names)) & 15) << n * 4
    return found


def compared(expression: str, listed: int) -> Problem:
    """That an expression is what a table of it says. Operands are as wide as the result."""
    text = f"""wire [3:0] a = x, b = y; wire [2:0] c = z; wire [3:0] got = {expression};
      wire [{(1 << 9) * 4 - 1}:0] listed = {(1 << 9) * 4}'h{listed:x};
      wire [3:0] want = listed >> {{z, y, x, 2'b00}};
      assign allowed = 1'b1; assign holds = got == want;"""
    return claim("input [2:0] x, y, z", text, 9)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_gates(expression: str) -> None:
    """An expression for all inputs, and with one bit of its table wrong."""
    right = table(expression)
    assert tried(compared(expression, right)) == ("proved", None)
    assert tried(compared(expression, right ^ 1 << 1037)) == (
        "failed", {"x": 1037 // 4 & 7, "y": 1037 // 4 >> 3 & 7, "z": 1037 // 4 >> 6},
    )  # fmt: skip


def test_an_order_that_leaves_out_gates_would_show() -> None:
    """A counter of ones over 20 bits, so that every gate depends on slow and on fast bits."""
    text = """integer k; reg [5:0] ones; always @* begin ones = 0;
      for (k = 0; k < 20; k = k + 1) ones = ones + x[k]; end
      assign allowed = 1'b1; assign holds = ones != 6'd20;"""
    assert tried(claim("input [19:0] x", text, 20)) == ("failed", {"x": 0xFFFFF})
    program = input_slices.slices(
        claim("input [19:0] x", text, 20).files, "read_verilog -sv claim.v\n", "claim"
    )
    assert program.steps == 1 << 11
    assert program.search(0, program.steps - 1) is None
    assert program.search(program.steps - 1, program.steps) == {"x": 0xFFFFF}


def test_what_cannot_be_counted() -> None:
    with pytest.raises(ToolError, match="module 'claim' is not combinational"):
        tried(claim("input clk, input x", "reg r; always @(posedge clk) r <= x;\n"
                    "assign allowed = 1, holds = r;", 2))  # fmt: skip
    with pytest.raises(ParameterError, match="it has 41 input bits; it counts"):
        tried(claim("input [40:0] x", "assign allowed = 1, holds = 1;", 41))
    with pytest.raises(ParameterError, match="engine='count' is not allowed for this property: it"):
        prove.prove(package("relu"), "stream", engine="count", timeout=HOUR)
    text = "assign allowed = 1'b1; assign holds = 1'b1 | ^x;"
    assert exhaustive.counted(claim("input [29:0] x", text, 30), LIBRARY, 0) == ("open", None)


def test_what_is_done_when_time_is_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is up, by a clock that is wound on, while the only part of the work is under way."""
    now = chain([0, 0], repeat(2 * HOUR))
    monkeypatch.setattr(exhaustive, "time", SimpleNamespace(monotonic=lambda: next(now)))
    text = "assign allowed = 1'b1; assign holds = 1'b1 | ^x;"
    assert tried(claim("input [11:0] x", text, 12)) == ("proved", None)


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cxx_compiler.shutil, "which", lambda _: None)
    bitsliced_gates.library.cache_clear()
    with pytest.raises(ToolMissing, match=r"no g\+\+ on PATH; install it"):
        tried(claim("input x", "assign allowed = 1, holds = 1;", 1))


@pytest.mark.parametrize(
    ("unit", "given"),
    [
        ("mul", {"a": "HFP8_FWD", "b": "HFP8_BWD", "out": "DLFLOAT16"}),
        later("dequantizer", {"src": "E4M3", "dst": "HFP8_BWD", "bias": "runtime"}),
        ("fp_add", {"fmt": "E4M3"}),
        later("quantizer", {"src": "HFP8", "dst": "E3M4B5:flush:fn", "rounding": "SR(4)"}),
    ],
)
def test_a_unit_and_a_broken_copy(unit: str, given: dict[str, Any]) -> None:
    made = package(unit, **given)
    proof = prove.prove(made, "arithmetic", timeout=HOUR)
    assert (proof.engine, proof.status, proof.inputs) == ("count", "proved", None)
    bad = broken(made, "assign o_flags =", "  assign o_flags = {4{&o_y[4:0]}};")
    proof = prove.prove(bad, "arithmetic", timeout=HOUR)
    assert proof.status == "failed" and proof.inputs is not None
    # What it fails for is a mismatch of the broken copy with the golden model too.
    ins = {port: np.array([[value]]) for port, value in proof.inputs.items()}
    outs, spans = expected(made.manifest, ins)
    got = (
        compiled_model.model(bad)
        .run({port: v[:, 0] for port, v in ins.items()}, len(spans))
        .outputs
    )
    assert any(outs[port][0, 0] != got[port][0] for port in outs)


SUMS: list[Any] = [
    {"a": "E2M1", "b": "E3M1B3:normal:none", "acc": "E4M3", "rounding": "RNE"},
    {"a": "E2M1", "b": "E2M2:gradual:ieee", "acc": "E4M3:gradual:ieee", "rounding": "RDN"},
    later({"a": "E2M1:gradual:fn", "b": "E2M1", "acc": "E4M2B7:normal:dl", "rounding": "RTO"}),
    # Sums below the smallest value, which are rounded up to it.
    {"a": "E2M1", "b": "E3M1B6:normal:none", "acc": "E4M2B7:normal:dl", "rounding": "RNA"},
    later({"a": "E3M1:gradual:p3109", "b": "E2M1", "acc": "E4M3FN", "overflow": "saturate",
           "rounding": "RUP"}),
]  # fmt: skip


def summing(given: dict[str, Any]) -> Package:
    return package("mac", semantics="fma", stages=1, **given)


@pytest.mark.parametrize("given", SUMS)
def test_a_step_of_a_sum_is_proved(given: dict[str, Any]) -> None:
    made = summing(given)
    for name, engine in (("arithmetic", "auto"), ("pipeline", "abc")):
        proof = prove.prove(made, name, engine=engine, timeout=HOUR)
        assert proof.status == "proved", (name, proof.inputs)


FAULTS = [
    # (line, what it becomes, the property that fails)
    ("wire y_up =", "  wire y_up = 1'b0;", "arithmetic"),
    ("if (ready) slot_seen <=", "    if (ready) slot_seen <= 4'd0;", "arithmetic"),
    ("assign i_ready =", "  assign i_ready = 1'b1;", "pipeline"),
    ("if (rst) slot_partial <=", "    if (rst) slot_partial <= 1'b1;", "pipeline"),
]


@pytest.mark.parametrize(("old", "new", "fails"), FAULTS)
def test_a_broken_sum_fails(old: str, new: str, fails: str) -> None:
    bad = broken(summing(SUMS[1]), old, new)
    assert prove.prove(bad, fails, timeout=HOUR).status == "failed"


def test_a_sum_that_starts_late_fails() -> None:
    """The first item is added to what was there."""
    made = summing(SUMS[1])
    bad = replace(made, verilog=made.verilog.replace("i_valid & i_first", "i_valid & 1'b0", 1))
    assert bad.verilog != made.verilog
    assert prove.prove(bad, "pipeline", timeout=HOUR).status == "failed"


def test_other_registers_are_refused() -> None:
    made = summing(SUMS[0])
    bad = replace(made, verilog=made.verilog.replace("slot_partial", "slot_other"))
    with pytest.raises(
        ParameterError, match=r"not the registers of a sum: slot_other\[0\], slot_p"
    ):
        sum_induction.step(bad)
    for given in ({"stages": 2}, {"interleave": 2, "stages": 1}):
        with pytest.raises(ParameterError, match="its results depend on more than one transfer"):
            problems(package("mac", semantics="fma", **given), "arithmetic")


def test_sums_of_more_terms_have_no_such_claim() -> None:
    for semantics, stages in product(("chunked", "exact_chunk"), (2, 3)):
        made = package("mac", semantics=semantics, stages=stages)
        assert not sum_induction.offered(made)


def test_the_command_says_for_what(cli: Cli, tmp_path: Path) -> None:
    status, out, _ = cli("prove", "mul", "--a", "E2M1", "--b", "E2M1", "--property", "arithmetic",
                         "--engine", "count", "--timeout", HOUR,
                         "--json", tmp_path / "p.json")  # fmt: skip
    assert (
        status == 0
        and "arithmetic: proved" in out
        and '"count"' in (tmp_path / "p.json").read_text()
    )
    line = cli.refused(
        "prove", "relu", "--fmt", "E5M2", "--property", "stream", "--engine", "count"
    )
    assert "engine='count' is not allowed for this property: it is not of one clock" in line
    line = cli.refused("prove", "fp_add", "--fmt", "FP32", "--property", "arithmetic",
                       "--engine", "count")  # fmt: skip
    assert "it has 64 input bits; it counts through claims of one clock with at most 40" in line
    # Without parameters, what cannot be counted is left out, as properties that units lack are.
    line = cli.refused("prove", "relu", "--property", "stream", "--engine", "count")
    assert "property='stream' is not allowed: no unit named has it for engine 'count'" in line
