"""Sweeps: the compiled model, the spaces, resuming, and what is said of a planted fault."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError
from hfp8_hw.cli.checks import sweep as command
from hfp8_hw.formats import parse_operand
from hfp8_hw.golden import decode
from hfp8_hw.parameters import UNITS
from rtl_gen.package import Package
from verif.errors import SimulationError
from verif.regression import worker_pool
from verif.simulation.configurations import MATRIX
from verif.simulation.verify import package_of
from verif.stimulus import aimed_sums, input_space, vectors
from verif.stimulus.reference import as_driven, expected, sums
from verif.sweep import compiled_model, sweep
from verif.sweep.configurations import SWEEPS

from .conftest import Cli, later


def package(unit: str, **given: Any) -> Package:
    return package_of(unit, tuple(given.items()))


SEMANTICS = {unit: [given.get("semantics") for given in MATRIX[unit]] for unit in UNITS}


@pytest.mark.parametrize(
    ("unit", "k"),
    [
        # Those of dot take Verilator up to half a minute to build.
        (u, k) if given.get("semantics") not in SEMANTICS[u][:k] else later(u, k)
        for u in UNITS
        for k, given in enumerate(MATRIX[u])
    ],
)
def test_compiled_models_agree_with_golden(unit: str, k: int) -> None:
    """With and without stalls."""
    made = package(unit, **MATRIX[unit][k])
    model = compiled_model.model(made)
    inputs = vectors.random_inputs(made, np.random.default_rng(4), 900, 3)
    for number in (0, sweep.STALLED - 1):
        found = sweep.drive(made, model, inputs, number)
        assert found.good and found.transfers == 2700, found


def test_wrong_arithmetic_is_found() -> None:
    made = package("quantizer")
    line = next(x for x in made.verilog.splitlines() if x.strip().startswith("wire y_up ="))
    bad = replace(made, verilog=made.verilog.replace(line, "  wire y_up = 1'b0;"))
    inputs = vectors.random_inputs(bad, np.random.default_rng(1), 500, 1)
    found = sweep.drive(bad, compiled_model.model(bad), inputs, 0)
    assert found.mismatches > 0 and not found.good and found.first is not None


@pytest.mark.parametrize(
    ("stages", "old", "new", "said"),
    [
        (2, "assign i_ready =", "  assign i_ready = 1'b1;", "results came out where"),
        (1, "assign o_flags =", "  assign o_flags = {3'b000, i_valid};", "changed or was with"),
        (2, "assign o_valid =", "  assign o_valid = 1'b0;", "the unit stopped taking inputs"),
    ],
)  # fmt: skip
def test_a_broken_contract_is_found(stages: int, old: str, new: str, said: str) -> None:
    made = package("mul", stages=stages)
    line = next(x for x in made.verilog.splitlines() if x.strip().startswith(old))
    bad = replace(made, verilog=made.verilog.replace(line, new))
    inputs = vectors.random_inputs(bad, np.random.default_rng(1), 500, 1)
    found = sweep.drive(bad, compiled_model.model(bad), inputs, sweep.STALLED - 1)
    assert found.error is not None and said in found.error and not found.good


def test_a_source_that_does_not_compile_says_why() -> None:
    made = package("relu")
    bad = replace(made, verilog=made.verilog.replace("endmodule", "endmodul"))
    with pytest.raises(Exception, match="yosys failed with status"):
        compiled_model.model(bad)
    with pytest.raises(SimulationError, match="a port of 65 bits is too wide"):
        compiled_model.dtype(65)


@pytest.mark.parametrize(
    ("unit", "given", "axes"),
    [
        later("mul", {"a": "E5M2", "b": "E4M3", "bias": "runtime"}, 64 * 64 * 256 * 256),
        ("mul", {"a": "E2M1", "b": "E2M2", "bias": "runtime"}, 64 * 64 * 16 * 32),
        ("dequantizer", {"src": "HFP8"}, 512),
        ("convert", {"src": "FP16", "dst": "E5M2", "rounding": "SR(3)"}, 1 << 19),
        ("quantizer", {"src": "E5M2", "dst": "HFP8_FWD", "scale": "runtime"}, 1 << 15),
    ],
)
def test_a_whole_space_has_every_input_once(unit: str, given: dict[str, Any], axes: int) -> None:
    made = package(unit, **given)
    space = input_space.space(made, "all", 1)
    assert space.vectors == axes and not space.rest
    seen = np.zeros(axes, np.uint8)
    for number in range(space.blocks):
        inputs = space.block(made, number)
        index = np.zeros(len(next(iter(inputs.values()))), np.int64)
        for axis in space.axes:
            code = inputs[axis.port][:, 0].astype(np.int64)
            digit = (code - axis.low) & ((1 << axis.width) - 1)
            index = index * axis.count + digit
        np.add.at(seen, index, 1)
    assert (seen == 1).all()


def test_passes_of_wide_random_words() -> None:
    made = package("quantizer", rounding="SR(12)")
    space = input_space.space(made, "all", 1)
    assert space.vectors == 3 << 32 and "in 3 passes" in space.text
    per_pass = (1 << 32) // input_space.BLOCK
    for turn, allowed in ((0, {0}), (1, {4095})):
        block = space.block(made, turn * per_pass + 5)
        assert set(np.unique(block["i_rbits"])) == allowed
        assert int(block["i_x"][0, 0]) == 5 * input_space.BLOCK
    assert len(np.unique(space.block(made, 2 * per_pass)["i_rbits"])) == 4096


@pytest.mark.parametrize("unit", ["mac", "dot"])
def test_sums_have_frames_and_reach_their_aims(unit: str) -> None:
    made = package(unit)
    inputs = aimed_sums.sums(made, np.random.default_rng(1), 4000, 24)
    first, last = inputs["i_first"], inputs["i_last"]
    assert (first == first[:, :1]).all() and (last == last[:, :1]).all() and last[-1, 0]
    spans = sums(first[:, 0], last[:, 0])
    assert {1, 2, 3, 5, 8, 13} <= {len(span) for span in spans}
    outputs, _ = expected(made.manifest, inputs)
    fmt = parse_operand(made.manifest["golden"]["arguments"]["acc"])[0]
    values = decode(outputs["o_y"], fmt)
    assert (values == 0).mean() > 0.01, "no cancellation"
    assert (~np.isfinite(values)).mean() > 0.01, "no overflow"
    small = np.isfinite(values) & (values != 0) & (np.abs(values) < 2.0**-20)
    assert small.mean() > 0.001, "no small sums"
    assert np.isfinite(values).mean() > 0.5


@pytest.mark.slow
def test_samples_of_run_time_biases_hold_within_exact_sums() -> None:
    made = package("mac", semantics="exact_chunk", acc="FP16", chunk=5, bias="runtime", stages=2)
    inputs = aimed_sums.sums(made, np.random.default_rng(2), 3000, 4)
    for span in sums(inputs["i_first"][:, 0], inputs["i_last"][:, 0]):
        items = list(span)
        assert (inputs["i_bias_a"][items] == inputs["i_bias_a"][items[0]]).all()
    assert sweep.drive(made, compiled_model.model(made), inputs, 0).good


@pytest.mark.slow
def test_every_listed_sweep_is_allowed() -> None:
    assert set(SWEEPS) == set(UNITS)
    rng = np.random.default_rng(1)
    for unit, configurations in SWEEPS.items():
        few = (
            configurations if len(configurations) < 30 else rng.permutation(len(configurations))[:6]
        )
        for given, extent in (configurations[k] if isinstance(k, np.integer) else k for k in few):
            made = package_of(unit, tuple(given.items()))
            assert input_space.space(made, extent or input_space.default_extent(made), 1).blocks > 0


def test_a_sweep_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path))
    one = sweep.Sweep("relu", (("fmt", "E5M2"),), "3000000", 7)
    assert one.space.blocks == 6
    state = sweep.State.load(one)
    for number in (0, 1, 4):
        state.add(number, sweep.run_block((one, number)))
    state.save()
    again = sweep.State.load(one)
    assert again.done == {0, 1, 4} and again.found == state.found
    assert sweep.State.load(replace(one, seed=8)).done == set()
    for number in set(range(6)) - again.done:
        again.add(number, sweep.run_block((one, number)))
    assert again.found.good and again.found.transfers == one.space.vectors
    again.path.write_text("{")
    assert sweep.State.load(one).done == set()


def test_interrupted_and_resumed(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C after the second block; the second run drives the others only."""
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path))

    driven: list[int] = []

    def serial(function: Any, jobs: Any, count: int) -> Any:
        for job in jobs:
            driven.append(job[1])
            yield job, function(job)
            if len(driven) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(worker_pool, "run", serial)
    words = ("sweep", "relu", "--fmt", "E5M2", "--range", "2000000")
    status, _, err = cli(*words)
    assert status == 130 and err.strip() == "hfp8: error: interrupted"
    report = tmp_path / "r.json"
    status, out, _ = cli(*words, "--json", report)
    assert status == 0 and "goes on at 50.0% of an interrupted run" in out
    assert sorted(driven) == [0, 1, 2, 3]
    (record,) = json.loads(report.read_text())["sweeps"]
    assert record["transfers"] == 2097152 and record["mismatches"] == 0 and record["good"]
    assert list((tmp_path / "sweeps").iterdir()) == []


def test_the_command_reports_a_mismatch(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = sweep.Found(
        10, 10, 1, {"phase": "block 0", "index": 3, "inputs": {"i_x": [0x85]},
                    "expected": {"o_y": 0}, "got": {"o_y": 0x85}},
    )  # fmt: skip

    monkeypatch.setattr(
        worker_pool,
        "run",
        lambda function, jobs, count: ((job, bad) for job in itertools.islice(jobs, 1)),
    )
    status, out, _ = cli("sweep", "relu", "--fmt", "HFP8_FWD", "--seed", "9")
    assert status == 1 and "1 mismatches" in out and "o_y got 0x85" in out
    assert "replay: hfp8 sweep relu --fmt HFP8_FWD --range all --seed 9" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mac", "--stages", "3", "--range", "all"], "range='all' is not allowed for mac: what"),
        (["mac", "--range", "0"], "range='0' is not allowed: 'all', or 1 to 2**48"),
        (["mac", "--range", "many"], "range='many' is not allowed: 'all', or 1 to 2**48"),
        (["fp_mul", "--fmt", "FP32", "--range", "all"], "2^64 inputs, at most 2^40"),
        (["adder"], "UNIT='adder' is not allowed: one of"),
        (["mul", "mac", "--stages", "2"], "name exactly one unit"),
        (["--stages", "2"], "name exactly one unit"),
        (["mul", "--json", "/nowhere/x.json"], "json='/nowhere/x.json' is not allowed"),
    ],
)
def test_refusals(cli: Cli, words: list[str], said: str) -> None:
    assert said in cli.refused("sweep", *words)


def test_driven_words_are_encoded() -> None:
    """Ports that carry fixed-point words get them; the golden model gets codes."""
    given = next(g for g in MATRIX["mac"] if g.get("operands") == "fixed")
    made = package("mac", **given)
    inputs = aimed_sums.sums(made, np.random.default_rng(1), 50, 2)
    driven = as_driven(made.manifest, inputs)
    assert (driven["i_a"] != inputs["i_a"]).any()
    with pytest.raises(ParameterError):
        command.plan(("mac",), {"stages": "99"}, None, 1)


@pytest.mark.slow
def test_all_binary32_inputs(cli: Cli) -> None:
    status, out, _ = cli("sweep", "quantizer", "--stages", "2", "--range", "all")
    assert status == 0 and "4,294,967,296 results compared, 0 mismatches" in out


def test_an_infinite_accumulator_is_no_number() -> None:
    """fmma: -Inf plus a pair whose larger product is what Inf's fields would be as a number."""
    made = package("dot", semantics="fmma", lanes=2, a="E5M2", b="E4M3", acc="FP16", stages=1)
    columns = {
        "i_a0": [0xF8, 0x90], "i_a1": [0xF8, 0x60], "i_b0": [0x70, 0xB0], "i_b1": [0x70, 0x70],
        "i_first": [1, 0], "i_last": [0, 1],
    }  # fmt: skip
    inputs = {port: np.array(values)[:, None] for port, values in columns.items()}
    outputs, _ = expected(made.manifest, inputs)
    assert outputs["o_y"][0, 0] == 0xFC00
    assert sweep.drive(made, compiled_model.model(made), inputs, 0).good
