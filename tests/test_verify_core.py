"""`hfp8 verify core`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw.cli.checks.verify import plan
from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.parameters import GENERATED, UNITS, CoreParameters
from rtl_gen.package import Package, generate
from verif.core import verify_core
from verif.core.compiled import native
from verif.core.compiled.native_run import other_clocks, run_natively
from verif.core.configurations import CORES, MEMORY_CORES, too_large
from verif.core.program import Program
from verif.core.run_core import CoreOutcome, check, run
from verif.mutation.core_faults import same
from verif.report import load
from verif.simulation.verify import Task, explain

from .conftest import Cli

SMALL = CORES[0]
WORDS = [word for name, value in SMALL.items() for word in (f"--{name}", value)]


def test_a_run_is_reported_as_a_units_is(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    status, out, err = cli("verify", "core", *WORDS, "--sim", "native", "--json", path)
    assert (status, err) == (0, "") and "1 of 1 runs good" in out
    (found,) = json.loads(path.read_text())["runs"]
    assert (found["unit"], found["simulator"], found["mismatches"]) == ("core", "native", 0)
    assert found["vectors"] > 1000 and found["parameters"] == {k: str(v) for k, v in SMALL.items()}
    (check,) = load([path]).checks
    assert (check.unit, check.method, check.what) == ("core", "verilator", "compiled model")
    assert check.replay.startswith("hfp8 verify core --") and "--sim native" in check.replay


def test_a_fault_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(p: Any) -> Package:
        package = generate(p)
        text = re.sub(r"(core_array_a0_1_there = .*) & \{8\{.*", r"\1;", package.verilog, count=1)
        assert text != package.verilog
        return replace(package, verilog=text)

    monkeypatch.setattr(verify_core, "generate_once", broken)
    given = {"rows": 1, "cols": 1, "lanes": 2}
    result = verify_core.run_task(Task("core", tuple(given.items()), "native", 1))
    assert not result.good and result.outcome is not None and result.outcome.mismatches > 0
    lines = explain(result)
    assert re.match(r"  program 0, result \d+: \d+ differ; place .* code 0x", lines[1]), lines
    assert lines[-1].endswith("--rows 1 --cols 1 --lanes 2 --sim native --seed 1")


def test_a_run_that_compares_too_little_is_no_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_core, "run", lambda *_, **__: CoreOutcome(jobs=1, results=4))
    result = verify_core.run_task(Task("core", tuple(SMALL.items()), "icarus", 1))
    assert not result.good and result.outcome is not None
    assert "1 jobs with 4 results were compared, of " in str(result.outcome.error)


def test_a_waveform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def few(p: Any, seed: int, large: bool = False) -> list[Program]:
        program = Program(p)
        program.random(np.random.default_rng(seed), GemmJob(2, 2, 2))
        return [program]

    monkeypatch.setattr(verify_core, "programs", few)
    path = tmp_path / "w" / "core.fst"
    parameters = (("rows", 1), ("cols", 1), ("lanes", 1))
    task = Task("core", parameters, "icarus", 1, str(path))
    assert verify_core.run_task(task).good and path.stat().st_size > 500


def test_clocks_and_counters_are_looked_at() -> None:
    """A compiled core that works, but counts or takes a clock more than it should."""
    p = CoreParameters(**SMALL)
    package = generate(p)
    program = Program(p)
    for _ in range(3):
        program.random(np.random.default_rng(1), GemmJob(3, 3, 9))
    assert run(package, "native", [program]).first is None
    ran = run_natively(native.model(package), program)
    again = run_natively(native.model(package), program)
    ran.finished[1] += 1
    assert str(other_clocks(program, ran)).startswith("result 1 ended in clock ")
    ran.finished[1] -= 1
    for name, said in (("BUSY_LOW", "the counter BUSY is "), ("MACS_LOW", "the counter MACS is "),
                       ("STALL_IN_LOW", "the counter STALL_IN is "),
                       ("STALL_OUT_LOW", "the counter STALL_OUT is "), ("K", "register K is "),
                       ("STATUS", "register STATUS is "), ("HASH", "register HASH is "),
                       ("irq", "irq is 1, due 0"),
                       ):  # fmt: skip
        ran.registers[name] += 1
        outcome = CoreOutcome()
        check(outcome, program, 0, ran)
        assert outcome.first is not None and said in outcome.first
        # What `hfp8 mutate core` goes by.
        assert same(ran, again) == (name in ("BUSY_LOW", "STALL_IN_LOW", "STALL_OUT_LOW"))
        ran.registers[name] -= 1
    for values in (ran.frames[2].codes, ran.frames[2].flags):
        assert same(ran, again)
        values[0, 0] ^= 1
        assert not same(ran, again)
        values[0, 0] ^= 1


@pytest.mark.parametrize("given", CORES, ids=str)
def test_operands_that_are_just_too_large(given: dict[str, Any]) -> None:
    """A row fewer, and they fit; every second job is one that the core does."""
    p = CoreParameters(**given)
    jobs = [task.job for task in too_large(p, np.random.default_rng(1)).tasks]
    assert {p.refusal(job) for job in jobs[::2]} == {JobError.LARGE_A, JobError.LARGE_B}
    assert {p.refusal(job) for job in jobs[1::2]} == {JobError.NONE}
    for job in jobs[::2]:
        side = "a" if p.refusal(job) is JobError.LARGE_A else "b"
        row = {"a": "k" if job.transpose_a else "m", "b": "n" if job.transpose_b else "k"}[side]
        fewer: dict[str, Any] = {row: getattr(job, row) - 1}
        assert p.refusal(replace(job, **fewer)) is not p.refusal(job)


def test_all_means_the_core_too() -> None:
    """Every configuration of every unit; by default without the core, for the other commands."""
    cores = [given for unit, given in plan((), {}, GENERATED) if unit == "core"]
    assert cores == [*CORES, *MEMORY_CORES]
    assert {unit for unit, _ in plan((), {})} == set(UNITS)


def test_what_is_refused(cli: Cli) -> None:
    line = cli.refused("verify", "mac", "--sim", "native")
    assert "sim='native' is not allowed for mac: only for core" in line
    assert "one or more of icarus, verilator, native, separated" in cli.refused(
        "verify", "core", "--sim", "vcs"
    )
    assert "terms=0 is not allowed" in cli.refused("verify", "core", "--terms", "0")
