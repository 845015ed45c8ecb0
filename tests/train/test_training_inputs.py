"""Checkpoints, results and programs: what is wrong is one line, before any work."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from hfp8_hw.errors import ParameterError
from hfp8_hw.nn import bench
from hfp8_hw.nn.deployment import batch as deployment
from hfp8_hw.nn.deployment import scores
from hfp8_hw.nn.distributed import traffic
from hfp8_hw.nn.distributed.exchange import Exchange
from hfp8_hw.nn.tasks import fashion, recordings
from hfp8_hw.nn.tasks.models.convnets import ResNet
from hfp8_hw.nn.training import batch, checkpoint, loop, results
from hfp8_hw.nn.training.job import Job

from ..conftest import Cli
from .test_tasks_loop import clothes, finished_run

CPU = torch.device("cpu")
JOB = Job("vision_resnet", seed=3, epochs=1, batch=8)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion, "ResNet", lambda: ResNet(blocks=1, width=4))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a finished run, and its data beside it."""
    return finished_run(tmp_path_factory.mktemp("run"), JOB, 16, 10)


def test_a_bit_that_changed_in_a_weight_is_found(finished: Path, tmp_path: Path) -> None:
    assert checkpoint.read(finished)["done"] == 1
    content = finished.read_bytes()
    with zipfile.ZipFile(finished) as archive:
        parts = [one for one in archive.infolist() if "/data/" in one.filename and one.file_size]
    assert len(parts) > 20
    rng = random.Random(4)
    for part in rng.sample(parts, 10):
        name, extra = struct.unpack_from("<HH", content, part.header_offset + 26)
        at = part.header_offset + 30 + name + extra
        bad = bytearray(content)
        bad[at + rng.randrange(part.file_size)] ^= 1 << rng.randrange(8)
        (tmp_path / "bad.pt").write_bytes(bad)
        with pytest.raises(ParameterError, match=r"bad\.pt' is not allowed: it is damaged, its"):
            checkpoint.read(tmp_path / "bad.pt")


def test_any_bytes_are_no_checkpoint(finished: Path, tmp_path: Path) -> None:
    content, rng = finished.read_bytes(), random.Random(1)
    cases = [bytes(rng.randrange(256) for _ in range(rng.randrange(200))) for _ in range(60)]
    cases += [content[: rng.randrange(len(content))] for _ in range(20)]
    for bad in cases:
        (tmp_path / "bad.pt").write_bytes(bad)
        with pytest.raises(ParameterError, match="not a checkpoint"):
            checkpoint.read(tmp_path / "bad.pt")


@pytest.mark.parametrize(
    "change",
    [{"job": 1}, {"job": [1]}, {"done": "x"}, {"done": None}, {"done": -1}, {"done": 5},
     {"curve": None}, {"curve": []}, {"curve": [1]}, {"curve": [{}]}, {"seconds": "x"},
     {"model": 1}, {"optimizer": 1}, {"scaler": None}],
)  # fmt: skip
def test_wrong_values_are_no_checkpoint(
    change: dict[str, Any], finished: Path, tmp_path: Path
) -> None:
    torch.save(torch.load(finished, weights_only=True) | change, tmp_path / "bad.pt")
    for read in (checkpoint.read, scores.trained):
        with pytest.raises(ParameterError, match="not a checkpoint"):
            read(tmp_path / "bad.pt")


@pytest.mark.parametrize(
    "change",
    [{"model": {}}, {"model": {"a": torch.ones(1)}}, {"optimizer": {}}, {"scaler": {}}],
)
def test_states_that_do_not_fit_are_one_line(
    change: dict[str, Any], finished: Path, tmp_path: Path
) -> None:
    torch.save(torch.load(finished, weights_only=True) | change, tmp_path / "bad.pt")
    task = fashion.VisionResNet(clothes(16, 10), CPU)
    with pytest.raises(ParameterError, match="not allowed") as caught:
        loop.train(JOB, task, tmp_path / "bad.pt", resume=True)
    assert "\n" not in str(caught.value)
    if "model" in change:
        with pytest.raises(ParameterError, match="do not fit the task's model"):
            scores.trained(tmp_path / "bad.pt").model(task)


def test_a_job_of_another_version(finished: Path, tmp_path: Path) -> None:
    content = torch.load(finished, weights_only=True)
    torch.save(content | {"job": content["job"] | {"colour": 1}}, tmp_path / "bad.pt")
    with pytest.raises(ParameterError, match="of another version's run"):
        scores.trained(tmp_path / "bad.pt")


@pytest.mark.parametrize(("size", "count"), [(2, 48), (16, 2)])
def test_each_worker_has_an_example(size: int, count: int, tmp_path: Path) -> None:
    exchange = object.__new__(Exchange)
    exchange.rank, exchange.workers = 0, 3
    job = Job("vision_resnet", epochs=1, batch=size, workers=3)
    task, path = fashion.VisionResNet(clothes(count, 10), CPU), tmp_path / "c.pt"
    with pytest.raises(ParameterError, match="workers=3 is not allowed: a batch has 2 examples"):
        loop.train(job, task, path, exchange=exchange)
    assert not path.exists()


def test_data_without_examples() -> None:
    data = {name: array[:0] if "train" in name else array for name, array in clothes().items()}
    with pytest.raises(ParameterError, match="no training examples"):
        loop.train(JOB, fashion.VisionResNet(data, CPU))


def _add(path: Path, name: str) -> None:
    for seed in range(12):
        results.add(path, {"task": name, "arithmetic": "a", "seed": seed, "changes": {}})


def test_runs_that_end_together_all_have_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(_add, path, f"t{k}") for k in range(3)]:
            done.result()
    rows = results.load(path)
    assert {(row["task"], row["seed"]) for row in rows} == {
        (f"t{k}", seed) for k in range(3) for seed in range(12)
    }
    assert [one.name for one in tmp_path.iterdir()] == ["r.json"]


def test_outputs_are_files_of_their_own(cli: Cli, finished: Path, tmp_path: Path) -> None:
    data, same = finished.parent / "fashion.npz", tmp_path / "same"
    before = {one: one.read_bytes() for one in (data, finished)}
    (tmp_path / "link").symlink_to(finished)
    for words, option, other in (
        (("train", "vision_resnet", "--json", same, "--checkpoint", same), "checkpoint", "json"),
        (("train", "vision_resnet", "--data", data, "--checkpoint", data), "checkpoint", "data"),
        (("train", "vision_resnet", "--prepare", data, "--data", data), "data", "prepare"),
        (("export", finished, "-o", finished), "output", "CHECKPOINT"),
        (("export", finished, "-o", tmp_path / "link"), "output", "CHECKPOINT"),
        (("compare", "mac", "--inputs", data, "--output", data), "output", "inputs"),
        (("verify", "mac", "--json", same, "--junit", same), "junit", "json"),
    ):
        said = cli.refused(*words)
        assert "another file than that of " in said
        assert {said.split()[2].partition("=")[0], said.split()[-1]} == {option, other}
    assert before == {one: one.read_bytes() for one in before} and not same.exists()


def refused(
    main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str], *words: str | Path
) -> str:
    """Expect one line of error, nothing else, and status 2."""
    assert main(list(map(str, words))) == 2
    out, err = capsys.readouterr()
    assert not out and err.endswith("\n") and len(err.splitlines()) == 1
    return err


PROGRAMS = {"training": batch.main, "deployment": deployment.main, "bench": bench.main,
            "traffic": traffic.main}  # fmt: skip
WRONG = {
    "training": ("--workers 0", "--workers x", "--workers 1_0", "--limit x", "--limit nan",
                 "--limit -5", "--device tpu", "--foo 1", "--checkpoints no", "--data no"),
    "deployment": ("--retune x", "--retune -1", "--calibrate 0", "--arith x", "--workers 65"),
    "bench": ("--device x", "--checks -1", "--checks 0", "--checks x", "--foo 1"),
    "traffic": ("--workers 0", "--workers 1", "--workers 255", "--workers x", "--rates 0",
                "--rates -5", "--size 0", "--size -1", "--repeats 0", "--foo 1"),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_refuse_in_one_line(
    program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, given = tmp_path / "list", []
    listed.write_text("vision_resnet --epochs 1\n")
    if program in ("training", "deployment"):
        given = [listed, "--json", tmp_path / "r.json", "--device", "cpu"]
    elif program == "bench":
        given = ["--device", "cpu"]
    for words in WRONG[program]:
        option, value = words.split()
        said = refused(PROGRAMS[program], capsys, *given, option, value)
        assert option == "--foo" or ("is not allowed" in said and option[2:] + "=" in said)
        assert option == "--foo" or value in said
    for path in (tmp_path, tmp_path / "no" / "r.json"):
        said = refused(PROGRAMS[program], capsys, *given, "--json", path)
        assert f"json={str(path)!r} is not allowed: " in said
    assert sorted(one.name for one in tmp_path.iterdir()) == ["list"]


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"\xff\xfe", "a text file in UTF-8"), (b"", "it has no runs"), (b"# nothing\n", "no runs"),
     (b"vision_resnet --seed 5-1", "seed='5-1' is not allowed"),
     (b"vision_resnet --epochs x", "line 1: epochs='x' is not allowed: an integer from 1"),
     (b"vision_resnet --arith hfp8 --chunk y", "line 1: chunk='y' is not allowed"),
     (b"vision_resnet\nvision_resnet --epochs 3", "line 2: the run"),
     (b"vision_resnet --foo 1", "line 1: unrecognized")],
)  # fmt: skip
def test_lists_that_are_none(
    text: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list").write_bytes(text)
    words = (tmp_path / "list", "--json", tmp_path / "r.json", "--device", "cpu")
    assert said in refused(batch.main, capsys, *words)


def test_a_run_in_two_lines_is_one() -> None:
    found = batch.jobs("vision_resnet --seed 1-2\nvision_resnet --seed 2 # again\n", "list")
    assert [job.seed for job in found] == [1, 2]


def test_a_file_of_results_that_breaks_ends_the_batch(tmp_path: Path) -> None:
    path, todo = tmp_path / "r.json", batch.queue.SimpleQueue()
    path.write_text("not JSON any more")
    for seed in range(3):
        todo.put(Job("vision_resnet", seed=seed))
    row = {"task": "vision_resnet", "arithmetic": "fp32", "seed": 0, "changes": {}, "score": 1,
           "unit": "%", "seconds": 1, "epochs": 1}  # fmt: skip
    program = f"import sys\nfor line in sys.stdin: print({json.dumps(json.dumps(row))}, flush=True)"
    ended = batch.Batch(todo, path, [batch.sys.executable, "-c", program], np.inf)
    ended.estimate = lambda job: 0.0  # type: ignore[method-assign]
    with pytest.raises(ParameterError, match="no rows of this kind"):
        ended.run(1)
    assert path.read_text() == "not JSON any more" and ended.done == 0


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_long_run_is_begun_where_it_can_go_on(goes_on: bool, tmp_path: Path) -> None:
    """One that leaves no checkpoint would spend the time for nothing."""
    path, todo = tmp_path / "r.json", batch.queue.SimpleQueue()
    todo.put(Job("vision_resnet"))
    row = {"task": "vision_resnet", "arithmetic": "fp32", "seed": 1, "changes": {}, "score": 1,
           "unit": "%", "seconds": 1, "epochs": 1}  # fmt: skip
    program = f"import sys\nfor line in sys.stdin: print({json.dumps(json.dumps(row))}, flush=True)"
    runs = batch.Batch(todo, path, [batch.sys.executable, "-c", program], 1e18, goes_on)
    runs.estimate = lambda job: np.inf  # type: ignore[method-assign]
    runs.run(1)
    assert (runs.done, len(runs.left)) == ((1, 0) if goes_on else (0, 1))


def test_a_worker_ends_when_its_gpu_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other errors are those of a job; this one would be that of every job after it."""
    jobs = [Job("vision_resnet", seed=seed) for seed in range(3)]
    errors = [ValueError("no"), torch.AcceleratorError("CUDA error: busy"), ValueError("too far")]

    def work(job: Job, task: object, path: Path | None) -> Any:
        raise errors[job.seed]

    class Nothing:
        source = SimpleNamespace(load=lambda data: {})

        def __init__(self, *given: object) -> None:
            """Takes the data and the device of any task."""

    monkeypatch.setattr(batch, "find", lambda name: Nothing)
    lines = "".join(json.dumps(job.to_dict()) + "\n" for job in jobs)
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    batch.serve(None, "cpu", None, work)
    said = [json.loads(line)["error"] for line in capsys.readouterr().out.splitlines()]
    assert said == ["ValueError: no", "AcceleratorError: CUDA error: busy"]


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """A compressed file of the kind that MNIST's are."""
    head = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    return gzip.compress(head + array.tobytes())


@pytest.mark.parametrize(
    ("change", "said"),
    [({"train_labels": np.zeros(7, np.uint8)}, r"shapes \(6, 28, 28\) and \(7,\)"),
     ({"test_images": np.zeros((6, 27, 28), np.uint8)}, r"its test files have shapes"),
     ({"train_labels": np.zeros((6, 28, 28), np.uint8)}, r"\(n, 28, 28\) and \(n,\)"),
     ({"train_labels": np.full(6, 200, np.uint8)}, r"the label 200, and labels are 0 to 9"),
     ({"train_labels": np.zeros(0, np.uint8), "train_images": np.zeros((0, 28, 28), np.uint8)},
      r"shapes \(0, 28, 28\)")],
)  # fmt: skip
def test_files_that_do_not_belong_together(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    data = clothes(6, 6)
    for key, array in data.items():
        (tmp_path / fashion.FILES[key]).write_bytes(idx(array))
    found = fashion.SOURCE.load(tmp_path)
    assert all(np.array_equal(found[key], data[key]) for key in data)
    for key, array in change.items():
        (tmp_path / fashion.FILES[key]).write_bytes(idx(array))
    with pytest.raises(ParameterError, match=said):
        fashion.SOURCE.load(tmp_path)


def test_folders_without_sounds(tmp_path: Path) -> None:
    for language in recordings.LANGUAGES:
        (tmp_path / f"{language}_x").mkdir()
    with pytest.raises(ParameterError, match=r"en_x/\*\.wav is missing"):
        recordings.PROMPT_SOURCE.load(tmp_path)
