"""Exploring parameters: spaces, the front, what is kept."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import pytest

from fpga.explore import front, run, space
from fpga.explore import point as point_module
from fpga.explore.point import Row, Task
from fpga.explore.workload import Workload
from fpga.figures import RESULTS
from hfp8_hw.parameters import unit_parameters
from rtl_gen.package import generate
from rtl_gen.tools import ToolError
from verif.regression import cluster
from verif.report import load

from .conftest import Cli, wait
from .test_docs_blocks import page_blocks

SMALL = """
unit = "relu"
[fixed]
fmt = "E5M2"
[parameters]
stages = [1, 2, 9]
[[points]]
stages = 1
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "space.toml"
    path.write_text(SMALL)
    return path


def made_up(task: Task) -> Row:
    """A measured row without any tool; a second stage costs LUTs and buys clock."""
    stages = task.parameters["stages"]
    return {
        "unit": task.unit, "parameters": task.parameters, "status": "measured",
        "luts": 10 * stages, "ffs": 5, "dsps": 0, "memories": 0, "fmax": [100.0 * stages],
        "fmax_median": 100.0 * stages, "latency": stages, "interval": 1, "sum_interval": None,
        "latency_ns": 10.0, "throughput": 100.0 * stages, "sqnr_db": 31.5, "max_abs": 0.1,
        "max_rel": 0.1, "exact": False, "own_sqnr_db": 40.0, "own_exact": False,
        "results": 7, "not_finite": 0, "may_wrap": 0,
        "why_not": "", "sha256": "0" * 64, "tools": TOOLS,
    }  # fmt: skip


TOOLS = ["a 1", "b 2"]


@pytest.fixture
def without_tools(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Points are made up, in this process; which were asked for."""
    asked: list[Task] = []

    def distributed(function: Any, tasks: Sequence[Task], *_: Any) -> Iterator[Any]:
        for task in tasks:
            asked.append(task)
            yield task, made_up(task), None

    monkeypatch.setattr(run, "distributed", distributed)
    monkeypatch.setattr(run, "current", lambda _: (TOOLS, "sources"))
    return asked


def test_a_space_is_crossed(small: Path) -> None:
    found = space.load(small, "relu")
    assert [p.to_dict()["stages"] for p in found.points] == [1, 2]
    assert all(p.to_dict()["fmt"] == "E5M2" for p in found.points)
    (refused,) = found.refused
    assert refused.given == {"fmt": "E5M2", "stages": 9}
    assert refused.reason.startswith("stages=9 is not allowed: an integer from 1 to")
    assert (found.results, found.products) == (4096, 256)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[parameters", "is not TOML: Expected ']'"),
        ("a = [" * 5000, "is not TOML: "),
        ("", "there are no points: lists in [parameters], or tables [[points]]"),
        ("[fixed]\nstages = 1", "there are no points"),
        ("[params]\nstages = [1]", "'params' is not allowed: one of unit, fixed, parameters"),
        ("unit = 'mac'\n[parameters]\nstages = [1]", "unit='mac' is not allowed: the command's is"),
        ("[parameters]\nstage = [1]", "parameters: 'stage' is not allowed: relu has no such"),
        ("[parameters]\nstages = []", "parameters: stages=[] is not allowed: a list of values"),
        ("[parameters]\nstages = 1", "parameters: stages=1 is not allowed: a list of values"),
        ("[parameters]\nstages = [1.5]", "parameters: stages=1.5 is not allowed: an integer or a"),
        ("[parameters]\nstages = [true]", "parameters: stages=True is not allowed: an integer or"),
        ("[parameters]\nstages = [2026-01-01]", "parameters: stages=datetime.date(2026, 1, 1) is"),
        ("[parameters]\nstages = [1, [2]]", "parameters: stages=[2] is not allowed: an integer"),
        ("parameters = 1", "parameters=1 is not allowed: a table"),
        ("points = 1", "points=1 is not allowed: tables [[points]]"),
        ("points = [1]", "points: 1 is not allowed: a table"),
        ("[[points]]\nacc = 'FP16'", "points: 'acc' is not allowed: relu has no such parameter"),
        ("[fixed]\nstages = 1\n[parameters]\nstages = [1]", "parameters: 'stages' is not allowed:"),
        ("[fixed]\nstages = [1]\n[[points]]\nfmt='E5M2'", "fixed: stages=[1] is not allowed"),
        ("[parameters]\nstages = [0, 9]", "no combination is one that relu takes; of the"),
        ("[[points]]\n[workload]\nresults = 0", "workload: results=0 is not allowed: an integer"),
        ("[[points]]\n[workload]\nterms = 1", "workload: 'terms' is not allowed for relu: only"),
        ("[[points]]\n[workload]\nresults=65536\nproducts=4096", "at most 16777216"),
        (f"[parameters]\nstages = {[*range(10001)]}", "10,001 points are not allowed: at most 10"),
    ],
)  # fmt: skip
def test_spaces_that_are_not(cli: Cli, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    line = cli.refused("explore", "relu", "--space", path)
    assert f"space={str(path)!r}" in line and said in line


def test_other_refusals(cli: Cli, small: Path, tmp_path: Path) -> None:
    words = ("explore", "relu", "--space", small)
    binary = tmp_path / "x.bin"
    binary.write_bytes(b"\xff\xfe\x00")
    for more, said in (
        (("--device", "xc7"), "device='xc7' is not allowed: one of ecp5-85k"),
        (("--device", "ice40-hx8k", "--dsp"), "dsp=True is not allowed for ice40-hx8k"),
        (("--front", "luts,area"), "front='luts,area' is not allowed: one or more of luts, ffs"),
        (("--workload", binary), f"workload={str(binary)!r} is not allowed: an .npz file"),
        (("--json", "/nowhere/x.json"), "json='/nowhere/x.json' is not allowed: there is no such"),
        (("--json", small), "is not allowed: another file than that of space"),
    ):
        assert said in cli.refused(*words, *more)
    assert "Missing option '--space'" in cli.refused("explore", "relu")
    assert "cannot be read: No such file" in cli.refused("explore", "relu", "--space", "/no.toml")
    assert "cannot be read: not UTF-8 text" in cli.refused("explore", "relu", "--space", binary)
    assert "unit='relu' is not allowed: the command's is 'core'" in cli.refused(
        "explore", "core", "--space", small
    )


def point(**figures: Any) -> Row:
    task = Task("relu", {"stages": 1}, "ecp5-85k", False, 1, Workload(1))
    return {**made_up(task), "luts": 10, "throughput": 100.0, **figures}


@pytest.mark.parametrize(
    ("rows", "names", "on"),
    [
        # As small and faster beats; equal ones are both on it.
        ([point(), point(throughput=101.0)], front.DEFAULT, [False, True]),
        ([point(), point()], front.DEFAULT, [True, True]),
        ([point(luts=9), point(throughput=101.0), point(luts=11)], front.DEFAULT,
         [True, True, False]),
        # No error at all beats any; what is not measured or not finite is beaten by any.
        ([point(sqnr_db=90.0), point(exact=True, sqnr_db=None)], front.DEFAULT, [False, True]),
        ([point(sqnr_db=90.0, not_finite=1), point(sqnr_db=3.0)], front.DEFAULT, [False, True]),
        ([point(may_wrap=1), point(sqnr_db=3.0)], front.DEFAULT, [False, True]),
        ([point(results=0, sqnr_db=None, luts=1), point()], front.DEFAULT, [True, True]),
        ([point(own_sqnr_db=50.0), point()], ("own_sqnr",), [True, False]),
        ([point(own_sqnr_db=50.0), point(own_exact=True)], ("own_sqnr",), [False, True]),
        ([point(latency_ns=None), point(latency_ns=50.0)], ("latency",), [False, True]),
        ([point(luts=1, ffs=9), point(luts=2, ffs=3)], ("ffs",), [False, True]),
        ([point(), {"status": "failed"}], front.DEFAULT, [True, None]),
    ],
)  # fmt: skip
def test_the_front(rows: list[Row], names: Sequence[str], on: list[bool | None]) -> None:
    assert [row.get("front") for row in front.marked(rows, names)] == on


def test_the_front_of_random_points_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        rows = [point(luts=int(a), fmax_median=float(b), ffs=int(c))
                for a, b, c in rng.integers(0, 6, (25, 3))]  # fmt: skip
        for row in front.marked(rows, ("luts", "fmax", "ffs")):
            better = [
                o for o in rows
                if o["luts"] <= row["luts"] and o["ffs"] <= row["ffs"]
                and o["fmax_median"] >= row["fmax_median"]
                and (o["luts"], o["ffs"], o["fmax_median"])
                != (row["luts"], row["ffs"], row["fmax_median"])
            ]  # fmt: skip
            assert row["front"] == (not better)


def test_points_are_kept(
    cli: Cli, small: Path, tmp_path: Path, without_tools: list[Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The same command goes on; another seed is refused, other tools are measured again."""
    path = tmp_path / "r.json"
    words = ("explore", "relu", "--space", small, "--json", path)
    status, out, _ = cli(*words)
    assert status == 0 and "2 points measured (0 kept from before), 1 refused, 0 failed" in out
    first = json.loads(path.read_text())
    assert [row["status"] for row in first["rows"]] == ["measured", "measured", "refused"]
    assert [row.get("front") for row in first["rows"]] == [True, True, None]
    assert first["varying"] == ["stages"] and first["seed"] == 1 and first["tools"] == TOOLS
    assert all(row["unit"] == "relu" for row in first["rows"])
    without_tools.clear()
    status, out, _ = cli(*words)
    assert status == 0 and "2 points measured (2 kept from before)" in out and not without_tools
    assert json.loads(path.read_text()) == first

    # Another front is made of the same points.
    assert cli(*words, "--front", "luts")[0] == 0
    rows = json.loads(path.read_text())["rows"]
    assert [row.get("front") for row in rows] == [True, False, None] and not without_tools

    # One more value is one more point; a point that is in the space no more stays.
    small.write_text(SMALL.replace("[1, 2, 9]", "[2, 3]").replace("[[points]]\nstages = 1", ""))
    monkeypatch.setattr(unit_parameters("relu", {}).__class__, "max_stages", 3)
    assert cli(*words)[0] == 0
    assert [task.parameters["stages"] for task in without_tools] == [3]
    rows = json.loads(path.read_text())["rows"]
    assert [row["parameters"]["stages"] for row in rows] == [2, 3, 1]

    before = path.read_bytes()
    for more, said in (
        (("--seed", "2"), "was measured with seed=1, not 2; name another file"),
        (("--seeds", "3"), "was measured with seeds=1, not 3"),
        (("--device", "ice40-hx8k"), "was measured with device='ecp5-85k', not 'ice40-hx8k'"),
    ):
        said_now = cli.refused(*words, *more)
        assert f"json={str(path)!r} is not allowed: it is there, and {said}" in said_now
    assert path.read_bytes() == before

    without_tools.clear()
    monkeypatch.setattr(run, "current", lambda _: (["a 1", "b 3"], "sources"))
    status, out, _ = cli(*words)
    assert "3 points of " in out and "are of other tools or sources: they are measured again" in out
    assert len(without_tools) == 2


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"rows": 1}', '{"rows": [{}]}', '{"rows": []}',
     '{"rows": [{"status": "measured", "parameters": {}}]}', '{"rows": [1]}', "\ufeff{}",
     "9" * 5000],
)  # fmt: skip
def test_a_file_that_is_something_else(
    cli: Cli, small: Path, tmp_path: Path, without_tools: list[Task], text: str
) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    said = cli.refused("explore", "relu", "--space", small, "--json", path)
    assert "is not allowed: it is there, and is no file of 'hfp8 explore'" in said
    assert path.read_text() == text


def test_a_pipe_is_no_file_of_points(
    cli: Cli, small: Path, tmp_path: Path, without_tools: list[Task]
) -> None:
    """Nobody writes to it, so to read it would never end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    said = cli.refused("explore", "relu", "--space", small, "--json", path)
    assert "is no file of 'hfp8 explore'" in said and not without_tools


@pytest.mark.parametrize(
    ("name", "value"),
    [("parameters", 3), ("parameters", {"stages": [1]}), ("parameters", {"stages": 99}),
     ("luts", "7"), ("luts", None), ("luts", -1), ("luts", True), ("fmax", 100.0), ("fmax", []),
     ("fmax_median", [1.0]), ("fmax_median", math.nan), ("sqnr_db", math.inf), ("exact", 1),
     ("results", "7"), ("latency", 1.5), ("tools", "a 1"), ("why_not", None)],
)  # fmt: skip
def test_a_row_that_is_none(
    cli: Cli, small: Path, tmp_path: Path, without_tools: list[Task], name: str, value: object
) -> None:
    """Numbers of other kinds would end in a traceback, or on the page."""
    path = tmp_path / "r.json"
    words = ("explore", "relu", "--space", small, "--json", path)
    assert cli(*words)[0] == 0
    data = json.loads(path.read_text())
    data["rows"][0][name] = value
    path.write_text(json.dumps(data))
    assert "is no file of 'hfp8 explore'" in cli.refused(*words)
    assert json.loads(path.read_text()).keys() == data.keys()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [({"y": np.ones(3)}, "inputs=['y'] is not allowed: relu needs the arrays x"),
     ({}, "inputs=[] is not allowed: relu needs the arrays x"),
     ({"x": np.ones(0)}, "there is nothing to compute"),
     ({"x": np.array(["a"])}, "array 'x' has dtype '<U1'")],
)  # fmt: skip
def test_a_workload_that_no_point_takes(
    cli: Cli, small: Path, tmp_path: Path, without_tools: list[Task], arrays: Any, said: str
) -> None:
    """Before any work."""
    path, report = tmp_path / "x.npz", tmp_path / "r.json"
    np.savez(path, **arrays)
    words = ("explore", "relu", "--space", small, "--workload", path, "--json", report)
    line = cli.refused(*words)
    assert f"workload={str(path)!r} is not allowed: " in line and said in line
    assert not without_tools and not report.exists()


def test_a_workload_of_ones_own(
    cli: Cli, small: Path, tmp_path: Path, without_tools: list[Task]
) -> None:
    path, arrays = tmp_path / "r.json", tmp_path / "x.npz"
    np.savez(arrays, x=np.arange(4.0))
    words = ("explore", "relu", "--space", small, "--json", path, "--workload", arrays)
    status, out, _ = cli(*words)
    assert status == 0 and "the arrays of x.npz" in out
    work = json.loads(path.read_text())["workload"]
    assert work["arrays"] == {"x": {"shape": [4], "dtype": "float64"}}
    assert all((task.workload.arrays or {})["x"].tolist() == [0, 1, 2, 3] for task in without_tools)
    np.savez(arrays, x=np.arange(4.0) + 1)
    assert "was measured with workload={'kind': 'file'" in cli.refused(*words)


def test_real_points(cli: Cli, small: Path, tmp_path: Path) -> None:
    """Two real points through Dask and the tools; one that the user's arrays do not fit."""
    small.write_text("[parameters]\nstages = [1, 2]")
    path = tmp_path / "r.json"
    words = ("explore", "relu", "--space", small, "--device", "ice40-hx8k", "--json", path)
    status, out, _ = cli(*words)
    assert status == 0 and "2 points measured" in out
    data = json.loads(path.read_text())
    one, two = data["rows"]
    assert two["ffs"] > one["ffs"] and one["luts"] > 5
    assert (one["latency"], two["latency"], one["interval"]) == (1, 2, 1)
    for row in (one, two):
        assert row["fmax"] == [row["fmax_median"]] and 50 < row["fmax_median"] < 1000
        assert row["throughput"] == pytest.approx(row["fmax_median"], abs=0.01)
        assert row["latency_ns"] == pytest.approx(
            1e3 * row["latency"] / row["fmax_median"], abs=0.01
        )
        assert row["sqnr_db"] == one["sqnr_db"] and row["results"] == 4096
        made = generate(unit_parameters("relu", row["parameters"]))
        assert row["sha256"] == made.manifest["sha256"]
        assert row["tools"] == data["tools"]


def test_a_tool_that_fails_is_a_row(
    cli: Cli, small: Path, tmp_path: Path, without_tools: list[Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As where a unit is too large; it is tried again the next time. So is a task that was lost."""
    path = tmp_path / "r.json"
    words = ("explore", "relu", "--space", small, "--json", path)

    def failing(function: Any, tasks: Sequence[Task], *_: Any) -> Iterator[Any]:
        failed = {"unit": "relu", "parameters": tasks[0].parameters, "status": "failed"}
        yield tasks[0], {**failed, "reason": "nextpnr-ecp5 failed with status 1: ERROR"}, None
        yield tasks[1], None, OSError("the worker\ndied")

    with monkeypatch.context() as patch:
        patch.setattr(run, "distributed", failing)
        status, out, _ = cli(*words)
    assert status == 1 and "0 points measured (0 kept from before), 1 refused, 2 failed" in out
    assert "failed: stages=1 fmt=E5M2: nextpnr-ecp5 failed with status 1: ERROR" in out
    assert "failed: stages=2 fmt=E5M2: the task was lost: the worker died" in out
    assert cli(*words)[0] == 0 and len(without_tools) == 2
    assert {row["status"] for row in json.loads(path.read_text())["rows"]} == {
        "measured", "refused"
    }  # fmt: skip


def test_a_tools_failure_and_a_refusal_in_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ToolError("no room")

    monkeypatch.setattr(point_module, "synthesise", broken)
    given = unit_parameters("relu", {}).to_dict()
    task = Task("relu", given, "ice40-hx8k", False, 1, Workload(1))
    row = {"unit": "relu", "parameters": given}
    assert point_module.measure(task) == {**row, "status": "failed", "reason": "no room"}
    own = Workload(1, arrays={"a": np.ones(3)})
    refused = point_module.measure(Task("relu", given, "ice40-hx8k", False, 1, own))
    assert refused["status"] == "refused" and "relu needs the arrays x" in refused["reason"]


def test_a_scheduler_that_is_not_there(
    cli: Cli, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.1)  # nobody is there to answer
    words = ("explore", "relu", "--space", small, "--scheduler", "tcp://127.0.0.1:1")
    status, _, err = cli(*words)
    assert status == 1 and "the scheduler 'tcp://127.0.0.1:1' does not answer: " in err


@pytest.mark.parametrize(("name", "file"), [("mac", "space.toml"), ("core", "core.toml")])
def test_the_committed_points_are_those_of_the_page(name: str, file: str) -> None:
    """And of the unit as it is."""
    (text,) = (b.body for b in page_blocks("docs/howto/explore.md") if b.fact("file") == file)
    data = json.loads((RESULTS / f"explore-{name}.json").read_text())
    with NamedTemporaryFile(suffix=".toml") as written:
        written.write(text.encode())
        written.flush()
        wanted = space.load(Path(written.name), data["unit"])
    rows = [row for row in data["rows"] if row["status"] == "measured"]
    assert [row["parameters"] for row in rows] == [p.to_dict() for p in wanted.points]
    assert len(data["rows"]) - len(rows) == len(wanted.refused)
    for row, parameters in zip(rows, wanted.points, strict=True):
        assert row["sha256"] == generate(parameters).manifest["sha256"]
    # An exact sum has the least error; larger chunks of rounded sums have a larger one.
    best = max(rows, key=lambda row: row["sqnr_db"])
    assert best["parameters"]["semantics"] == "exact"


@pytest.mark.parametrize(("name", "more"), [("mac", 5), ("core", 2)])
def test_its_file_is_a_file_for_the_report(name: str, more: int) -> None:
    found = load([RESULTS / f"explore-{name}.json"])
    assert found.units == [name] and len(found.figures) > more
    assert {f["name"] for f in found.figures} == {"explored", "explored, on the front"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_ctrl_c_loses_only_what_is_under_way(cli: Cli, small: Path, tmp_path: Path) -> None:
    small.write_text("[parameters]\nstages = [1, 2]\nfmt = ['E5M2', 'E4M3FN', 'BF16']")
    path = tmp_path / "r.json"
    words = ["explore", "relu", "--space", str(small), "--jobs", "1", "--json", str(path)]
    command = [sys.executable, "-m", "hfp8_hw", *words]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as one:  # fmt: skip
        wait(lambda: path.exists() or one.poll() is not None)
        # As a terminal does it: to everything that was started.
        os.killpg(one.pid, signal.SIGINT)
        _, said = one.communicate()
    assert one.returncode == 130 and said.splitlines()[-1] == "hfp8: error: interrupted", said
    assert "Traceback" not in said
    kept = len(json.loads(path.read_text())["rows"])
    assert 1 <= kept < 6
    status, out, _ = cli(*words)
    assert status == 0 and f"6 points measured ({kept} kept from before)" in out
