"""Generated units in both simulators, and that the bench notices what is wrong."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw.cli.checks.verify import write_junit
from hfp8_hw.parameters import UNITS, unit_parameters
from rtl_gen import cache
from rtl_gen.package import Package, generate
from verif.errors import SimulationError
from verif.simulation import simulators
from verif.simulation.configurations import MATRIX
from verif.simulation.simulate import Phase, run
from verif.simulation.verify import Result, Task, explain, phases, run_task
from verif.stimulus import vectors
from verif.stimulus.reference import expected, sums

from .conftest import LARGE, later

SIMULATORS = ("icarus", "verilator")


def _runs() -> list[tuple[str, int, str]]:
    """The first configuration of each unit on both simulators, but on one or none where it takes
    minutes. tests/test_sweep.py runs the others as compiled models, and `hfp8 verify`, which
    `make test-all` ends with, runs them all as here."""
    return [
        (unit, 0, simulator)
        for unit in UNITS
        for simulator in SIMULATORS
        if unit not in LARGE or (simulator == "verilator" and unit in ("mac", "dot"))
    ]


@pytest.mark.parametrize(("unit", "k", "simulator"), _runs())
def test_unit_equals_golden(unit: str, k: int, simulator: str) -> None:
    result = run_task(Task(unit, tuple(MATRIX[unit][k].items()), simulator, seed=1))
    assert result.good, "\n".join(explain(result))


def few(package: Package, count: int = 300) -> list[Phase]:
    rng = np.random.default_rng(1)
    inputs = vectors.random_inputs(package, rng, count, vectors.LANES)
    return [Phase("shaken", inputs, stall=0.4, resets=2)]


def broken(unit: str, given: dict[str, Any], old: str, new: str) -> Package:
    package = generate(unit_parameters(unit, given))
    assert old in package.verilog
    return replace(package, verilog=package.verilog.replace(old, new, 1))


def _line(package: Package, start: str) -> str:
    return next(x for x in package.verilog.splitlines() if x.strip().startswith(start))


@pytest.mark.slow
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_wrong_arithmetic_is_found(simulator: str) -> None:
    """A rounding increment stuck at 0, in every unit that rounds."""
    for unit, given, name in (
        ("quantizer", {}, "y_up"),
        ("mac", {"acc": "FP16"}, "y_up"),
    ):
        line = _line(generate(unit_parameters(unit, given)), f"wire {name} =")
        bad = broken(unit, given, line, f"  wire {name} = 1'b0;")
        outcome = run(bad, simulator, phases(bad, 1))
        assert outcome.mismatches > 0 and not outcome.good
        assert outcome.first is not None and outcome.first["expected"] != outcome.first["got"]


def test_a_wrong_flag_is_found() -> None:
    package = generate(unit_parameters("quantizer", {}))
    line = next(x for x in package.verilog.splitlines() if x.endswith("<= align_flags;"))
    bad = broken("quantizer", {}, line, line.replace("align_flags", "4'b0000"))
    outcome = run(bad, "icarus", few(bad))
    assert outcome.mismatches > 0


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_lost_transfer_is_found(simulator: str) -> None:
    """Ready regardless of the stage behind: results are overwritten under back-pressure."""
    package = generate(unit_parameters("mul", {}))
    line = _line(package, "assign i_ready =")
    bad = broken("mul", {}, line, "  assign i_ready = 1'b1;")
    outcome = run(bad, simulator, few(bad))
    assert not outcome.good
    assert outcome.error is not None and "results came out where" in outcome.error


def test_a_changing_payload_is_found() -> None:
    package = generate(unit_parameters("mul", {"stages": 1}))
    line = _line(package, "assign o_flags =")
    bad = broken("mul", {"stages": 1}, line, "  assign o_flags = {3'b000, i_valid};")
    outcome = run(bad, "icarus", few(bad))
    assert outcome.error is not None and "changed while stalled" in outcome.error


def test_a_unit_that_stops_is_found() -> None:
    package = generate(unit_parameters("mul", {}))
    bad = broken("mul", {}, _line(package, "assign o_valid ="), "  assign o_valid = 1'b0;")
    outcome = run(bad, "icarus", few(bad, 20))
    assert outcome.error is not None and not outcome.good


@pytest.mark.parametrize("which", ["ends", pytest.param("between", marks=pytest.mark.slow)])
@pytest.mark.parametrize("unit", UNITS)
def test_latency_is_what_the_manifest_says(unit: str, which: str) -> None:
    """The clocks from the first transfer to the first result, seen from a bench of its own."""
    tool, most = simulators.find("icarus"), UNITS[unit].max_stages
    # The addends of `dot` are always registered.
    ends = {2 if unit == "dot" else 1, most}
    between = {min(2, most), min(3, most), max(1, most // 2)}
    for stages in sorted(ends if which == "ends" else between - ends - {1} or ends):
        package = generate(unit_parameters(unit, {"stages": stages}))
        assert package.manifest["latency"] == _measured_latency(package, tool)


@pytest.mark.slow
def test_latency_of_sums_is_what_the_manifest_says() -> None:
    tool = simulators.find("icarus")
    for given in (
        # An item that comes late waits for its sum's turn; without stages ahead it does not.
        {"interleave": 3, "stages": 1},
        {"interleave": 8, "semantics": "fma", "stages": 1},
        {"semantics": "exact", "acc": "fixed", "a": "HFP8_FWD", "b": "HFP8_FWD", "segments": 3},
        {"semantics": "exact", "acc": "FP16", "stages": 2},
        {"semantics": "exact_chunk", "segments": 2, "stages": 6},
        {"semantics": "exact_chunk", "chunk": 24, "acc": "FP32"},
    ):
        package = generate(unit_parameters("mac", given))
        assert package.manifest["latency"] == _measured_latency(package, tool), given
    for given in (
        {"semantics": "fmma", "lanes": 2},
        {"semantics": "fmma", "lanes": 2, "stages": 1, "interleave": 4},
        {"semantics": "dotN", "lanes": 8},
    ):
        package = generate(unit_parameters("dot", given))
        assert package.manifest["latency"] == _measured_latency(package, tool), given


def _measured_latency(package: Package, tool: simulators.Tool) -> int:
    """Clock edges between the one that takes an input and the first that sees a result."""
    import subprocess
    import tempfile

    def zero(port: dict[str, Any]) -> str:
        return f"{port['width']}'d0"

    ports = package.manifest["ports"]
    tied = {"i_first": "1'b1", "i_last": "1'b1", "i_valid": "valid", "o_ready": "1'b1",
            "clk": "clk", "rst": "rst", "o_valid": "done"}  # fmt: skip
    pins = ", ".join(
        f".{p['name']}({tied.get(p['name'], zero(p) if p['dir'] == 'in' else '')})" for p in ports
    )
    bench = f"""module bench;
  reg clk = 0, rst = 1, valid = 0; wire done; integer n = 0;
  always #5 clk = ~clk;
  {package.name} unit ({pins});
  initial begin
    repeat (3) @(posedge clk); #1 rst = 0; valid = 1;
    @(posedge clk); #1 valid = 0; n = 1;
    while (!done) begin @(posedge clk); #1 n = n + 1; end
    $display("latency %0d", n); $finish;
  end
endmodule
"""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "bench.v"
        source.write_text(package.verilog + bench)
        out = str(Path(folder) / "sim")
        subprocess.run(["iverilog", "-o", out, str(source)], check=True, env=tool.env())
        done = subprocess.run(
            ["vvp", out], capture_output=True, text=True, check=True, env=tool.env()
        )
    return int(done.stdout.split()[1])


@pytest.mark.parametrize("simulator", ["icarus", later("verilator")])
def test_waves(simulator: str, tmp_path: Path) -> None:
    package = generate(unit_parameters("dequantizer", {}))
    target = tmp_path / "w" / "unit.fst"
    outcome = run(package, simulator, few(package, 50), waves=target)
    assert outcome.good and target.stat().st_size > 500


def test_framing() -> None:
    first = np.array([0, 0, 1, 0, 0, 1, 0, 0])
    last = np.array([0, 1, 0, 0, 1, 0, 0, 1])
    assert sums(first, last) == [range(0, 2), range(2, 5), range(5, 8)]
    first[3], last[4] = 1, 0
    assert sums(first, last) == [range(0, 2), range(5, 8)]
    first, last = np.array([1, 0, 0, 1, 0, 0, 0]), np.array([0, 0, 1, 0, 1, 1, 0])
    assert sums(first, last, 2) == [range(0, 3, 2), range(4, 5, 2), range(3, 6, 2)]


def test_expected_is_the_golden_function_alone() -> None:
    package = generate(unit_parameters("mac", {"chunk": 2}))
    rng = np.random.default_rng(2)
    inputs = vectors.random_inputs(package, rng, 40, 3)
    outputs, spans = expected(package.manifest, inputs)
    from hfp8_hw.golden import dot

    start, stop = spans[1].start, spans[1].stop
    codes = dot(
        *(inputs[f"i_{n}"][start:stop, 2] for n in "ab"), "HFP8", "HFP8", "DLFLOAT16", chunk=2,
        mode_a=inputs["i_mode_a"][start:stop, 2], mode_b=inputs["i_mode_b"][start:stop, 2],
    )  # fmt: skip
    assert outputs["o_y"][1, 2] == codes


def test_all_operand_pairs_are_driven() -> None:
    package = generate(unit_parameters("mul", {}))
    every = vectors.complete(package)
    assert every is not None
    joined = np.zeros(every["i_a"].shape, np.int64)
    for port in ("i_a", "i_b", "i_mode_a", "i_mode_b"):
        joined = joined << (8 if port in ("i_a", "i_b") else 1) | every[port]
    assert len(np.unique(joined)) == 1 << 18


def test_missing_simulator_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    simulators.find.cache_clear()
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    try:
        for simulator, text in (("icarus", "no iverilog on PATH; install"), ("verilator", "perl")):
            result = run_task(Task("mul", (), simulator, 1))
            assert not result.good and result.outcome is None
            assert result.failure is not None and text in result.failure
    finally:
        simulators.find.cache_clear()


def test_a_failed_build_says_why() -> None:
    package = generate(unit_parameters("mul", {}))
    bad = replace(package, verilog=package.verilog.replace("endmodule", "endmodul"))
    with pytest.raises(SimulationError, match=r"(?s)icarus did not build.*syntax error"):
        run(bad, "icarus", few(bad, 10))


def test_junit(tmp_path: Path) -> None:
    from xml.etree import ElementTree

    task = Task("mul", (), "icarus", 1)
    write_junit([Result(task, None, "icarus cannot run")], tmp_path / "j.xml")
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert suite.get("errors") == "1" and suite.get("tests") == "1"
    error = suite.find("testcase/error")
    assert error is not None and "cannot run" in (error.text or "")
    assert os.listdir(tmp_path) == ["j.xml"]


@pytest.mark.slow
def test_a_kept_build_is_small_and_what_is_not_used_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Precompiled headers and objects filled a disk: 27 MB a configuration."""
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path))
    stale, fresh = (tmp_path / "builds" / name for name in ("stale", "fresh"))
    for folder, days in ((stale, cache.KEPT_DAYS + 1), (fresh, 1)):
        folder.mkdir(parents=True)
        then = time.time() - days * 86400
        os.utime(folder, (then, then))
    result = run_task(Task("relu", (), "verilator", 1))
    assert result.good, explain(result)
    assert not stale.exists() and fresh.exists()
    (kept,) = (path for path in (tmp_path / "builds").iterdir() if path != fresh)
    assert sum(path.stat().st_size for path in kept.rglob("*") if path.is_file()) < 3_000_000
    assert run_task(Task("relu", (), "verilator", 1)).good
