"""A matrix on Dask: what is in it, results that are kept, workers that die, clusters elsewhere."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hfp8_hw import ParameterError
from hfp8_hw.parameters import UNITS
from verif.regression import cluster, dask_runs
from verif.simulation.simulate import Outcome
from verif.simulation.verify import Result, Task

from .conftest import HOUR, Cli, wait

pytestmark = [
    # Dask leaves sockets and event loops to the garbage collector when workers die.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CROSSED = """
simulators = "icarus"
[[unit]]
name = "relu"
[unit.parameters]
fmt = ["E5M2", "E4M3FNUZ", "HFP8_FWD", "HFP8_BWD"]
stages = [1, 2]
[[unit]]
name = "quantizer"
seeds = [3]
[unit.parameters]
src = "E5M2"
dst = ["HFP8_FWD", "HFP8_BWD"]
"""
SMALL = """
simulators = "icarus"
[[unit]]
name = "relu"
[unit.parameters]
fmt = ["E5M2", "E4M3FNUZ", "HFP8_FWD"]
"""


@pytest.fixture
def matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "m.toml"
    path.write_text(SMALL)
    return path


def test_the_default_matrix() -> None:
    tasks = dask_runs.load(dask_runs.MATRIX)
    configurations = {(task.unit, task.parameters) for task in tasks}
    assert len(configurations) >= 500 and len(tasks) == 2 * len(configurations)
    assert {task.unit for task in tasks} == set(UNITS)
    small = dask_runs.smoke(tasks)
    assert len(small) == 2 * len(UNITS) and {task.unit for task in small} == set(UNITS)


def test_a_matrix_is_crossed(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(CROSSED)
    tasks = dask_runs.load(path)
    assert len(tasks) == 8 + 2 and {task.simulator for task in tasks} == {"icarus"}
    assert Task("quantizer", (("src", "E5M2"), ("dst", "HFP8_BWD")), "icarus", 3) in tasks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[unit", "Expected"),
        ("x = 1", "seeds, simulators and tables \\[\\[unit\\]\\], not x"),
        ("[[unit]]\nname = 'adder'", "unit='adder' is not allowed: one of"),
        ("[[unit]]\nname = 'relu'\nseeds = -1", "seeds=-1 is not allowed"),
        ("[[unit]]\nname = 'relu'\nsimulators = 'vcs'", "simulators='vcs' is not allowed"),
        ("[[unit]]\nname = 'relu'\n[unit.parameters]\nx = 1", "parameter 'x' is not allowed"),
        ("[[unit]]\nname = 'relu'\nparams = 1", "'params' is not allowed in"),
        ("[[unit]]\nname = 'relu'\n[unit.parameters]\nstages = 99", "no unit takes any of it"),
    ],
)
def test_matrices_that_are_not(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=said) as error:
        dask_runs.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_results_are_kept(cli: Cli, matrix: Path, tmp_path: Path) -> None:
    report, junit = tmp_path / "r.json", tmp_path / "j.xml"
    words = ("regress", "--matrix", matrix, "--jobs", "2", "--json", report, "--junit", junit)
    status, out, _ = cli(*words)
    assert status == 0 and "3 of 3 runs good (0 kept from before)" in out
    first = json.loads(report.read_text())
    suite = ElementTree.parse(junit).getroot()
    assert suite.get("tests") == "3" and suite.get("failures") == "0"
    status, out, _ = cli(*words)
    assert status == 0 and "3 of 3 runs good (3 kept from before)" in out
    assert json.loads(report.read_text()) == first
    assert all(run["vectors"] > 0 and run["good"] for run in first["runs"])


def test_results_depend_on_all_that_a_run_imports() -> None:
    """And on nothing that only proves, measures or reports."""
    told = """
import sys
from verif.simulation.verify import Task, package_of, phases, run_task
from verif.stimulus.reference import expected
assert run_task(Task("relu", (("fmt", "E5M2"),), "icarus", 1)).good
# What takes long of a sum is its simulation.
made = package_of("mac", (("acc", "FP16"),))
expected(made.manifest, phases(made, 1)[0].inputs)
import verif.simulation.bench
print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)), sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    root = Path(dask_runs.__file__).resolve().parents[2]
    used = {Path(line).resolve() for line in done.stdout.splitlines()}
    folders = [root / name for name in ("hfp8_hw", "rtl_gen", "verif")]
    own = {path for path in used if any(path.is_relative_to(folder) for folder in folders)}
    kept = {path.resolve() for path in dask_runs.sources()}
    assert len(own) > 40 and own <= kept
    names = {path.name for path in kept}
    assert {"bench.py", "chunk_edges.py", "simulate.py"} <= names
    assert not {"prove.py", "mutate.py", "cover.py", "dask_runs.py"} & names


def test_what_could_not_run_is_not_kept(matrix: Path) -> None:
    task = dask_runs.load(matrix)[0]
    dask_runs.keep(Result(task, None, "no simulator"))
    assert dask_runs.recall(task) is None
    dask_runs.keep(Result(task, Outcome(5, 1, 0.1, {"phase": "x"})))
    found = dask_runs.recall(task)
    assert found is not None and not found.good and found.outcome is not None
    assert found.outcome.mismatches == 1


def test_a_worker_that_dies_loses_nothing(
    matrix: Path,
    tmp_path: Path,
    stand_in: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first simulation kills the worker that it runs in."""
    once = tmp_path / "once"
    tools = stand_in("vvp", f'if mkdir "{once}" 2>/dev/null; then kill -9 $PPID; exit 1; fi')
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    tasks = dask_runs.load(matrix)
    results = [result for result, _ in dask_runs.run(tasks, jobs=2)]
    assert once.exists() and len(results) == len(tasks)
    assert {result.task for result in results} == set(tasks)
    assert all(result.good for result in results)


def written(path: Path) -> str:
    """The address in a scheduler's file, once all of it is there."""
    with suppress(OSError, ValueError):
        return str(json.loads(path.read_text())["address"])
    return ""


def test_a_cluster_elsewhere_gives_the_same(
    cli: Cli, matrix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", HOUR)
    monkeypatch.setattr(cluster, "WORKER_SECONDS", HOUR)
    told = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--scheduler-file", str(told)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(told)]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with (
        subprocess.Popen([*dask, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
                         **quiet) as scheduler,
        subprocess.Popen([*worker, "--nthreads", "1", "--no-dashboard"], **quiet) as one,
    ):  # fmt: skip
        try:
            wait(lambda: written(told) or scheduler.poll() is not None)
            address = written(told)
            report = tmp_path / "r.json"
            status, out, _ = cli(
                "regress", "--matrix", matrix, "--scheduler", address, "--json", report
            )
            assert status == 0 and "3 of 3 runs good (0 kept from before)" in out
        finally:
            one.terminate()
            scheduler.terminate()


def test_refusals(cli: Cli, matrix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.1)  # nobody is there to answer
    status, _, err = cli("regress", "--matrix", matrix, "--scheduler", "tcp://127.0.0.1:1")
    assert status == 1 and "the scheduler 'tcp://127.0.0.1:1' does not answer: " in err
    said = cli.refused("regress", "--matrix", matrix, "--scheduler", "127.0.0.1")
    assert "scheduler='127.0.0.1' is not allowed: tcp://HOST:PORT, such as" in said
    assert "cannot be read" in cli.refused("regress", "--matrix", "/nowhere.toml")
    assert "junit='/nowhere/j.xml'" in cli.refused("regress", "--junit", "/nowhere/j.xml")
