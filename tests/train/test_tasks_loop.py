"""A run has the same bits each time, interrupted or not, and its files are whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hfp8_hw.cli import train as command
from hfp8_hw.errors import ParameterError
from hfp8_hw.files import write_whole
from hfp8_hw.nn.distributed import Exchange, start
from hfp8_hw.nn.tasks import TASKS, fashion, find
from hfp8_hw.nn.tasks.fashion import VisionResNet
from hfp8_hw.nn.tasks.models.convnets import ResNet
from hfp8_hw.nn.tasks.sources import pack
from hfp8_hw.nn.training import job as jobs
from hfp8_hw.nn.training import loop, results
from hfp8_hw.nn.training.job import Job

from ..conftest import HOUR, Cli

CPU = torch.device("cpu")


def clothes(train: int = 48, test: int = 20) -> dict[str, np.ndarray]:
    """Pictures in which the label is a bright row."""
    rng = np.random.default_rng(3)
    found = {}
    for name, count in (("train", train), ("test", test)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        images = rng.integers(0, 90, (count, 28, 28), np.uint8)
        images[np.arange(count), 4 + 2 * labels.astype(int)] = 255
        found |= {f"{name}_images": images, f"{name}_labels": labels}
    return found


def finished_run(folder: Path, job: Job, train: int, test: int) -> Path:
    """The checkpoint of a small ResNet's finished run, and its data beside it."""
    pack("fashion", clothes(train, test), folder / "fashion.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fashion, "ResNet", lambda: ResNet(blocks=1, width=4))
        loop.train(job, fashion.VisionResNet(clothes(train, test), CPU), folder / "c.pt")
    return folder / "c.pt"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "fashion.npz"
    pack("fashion", clothes(), path)
    return path


JOB = Job("vision_resnet", seed=5, epochs=2, batch=16)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_resumed_is_the_same_as_straight(tmp_path: Path) -> None:
    path, resnet = tmp_path / "c.pt", VisionResNet(clothes(), CPU)
    straight, one = loop.train(JOB, resnet)
    first, _ = loop.train(JOB, resnet, path, until=1)
    second, two = loop.train(JOB, resnet, path, resume=True)
    assert [point["epoch"] for point in first["curve"]] == [1]
    assert straight["curve"] == second["curve"] and straight["score"] == second["score"]
    assert same(one.model.state_dict(), two.model.state_dict())
    other, three = loop.train(Job("vision_resnet", seed=6, epochs=2, batch=16), resnet)
    assert other["curve"] != straight["curve"]
    assert not same(one.model.state_dict(), three.model.state_dict())


def part(exchange: Exchange, path: str, until: int) -> tuple[dict[str, Any], Any]:
    job = Job("vision_resnet", "hfp8-fast", seed=5, epochs=2, batch=15, workers=2)
    row, state = loop.train(job, VisionResNet(clothes(), CPU), Path(path), Path(path).exists(),
                            until=until, exchange=exchange)  # fmt: skip
    return row, {name: value.numpy() for name, value in state.model.state_dict().items()}


def test_two_workers_resume_to_the_same_bits(tmp_path: Path) -> None:
    row, want = start(part, 2, str(tmp_path / "straight"), 2, patience=HOUR)
    start(part, 2, str(tmp_path / "twice"), 1, patience=HOUR)
    again, got = start(part, 2, str(tmp_path / "twice"), 2, patience=HOUR)
    assert again["curve"] == row["curve"] and again["score"] == row["score"]
    assert row["changes"] == {"workers": 2}  # It is not the row of one process.
    with pytest.raises(ParameterError, match="workers=1 is not allowed: the checkpoint"):
        loop.train(Job("vision_resnet", "hfp8-fast", seed=5, epochs=2, batch=15),
                   VisionResNet(clothes(), CPU), tmp_path / "twice", True)  # fmt: skip
    for name, value in want.items():
        np.testing.assert_array_equal(got[name], value, name)


def test_workers_of_a_task_that_is_trained_by_adam(cli: Cli) -> None:
    said = cli.refused("train", "language_char", "--workers", 2)
    assert "workers=2 is not allowed: language_char is trained by Adam" in said


def test_the_learning_rate() -> None:
    rates = [loop.rate(2.0, 0.1, step, 100) for step in range(100)]
    assert rates[0] == 0.2 and rates[9] == rates[10] == 2.0 == max(rates)
    assert rates[55] == pytest.approx(1.0) and 0 < rates[99] < 0.002
    assert loop.rate(2.0, 0.1, 0, 1) == 2.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "vision"}, "task='vision' is not allowed: one of vision_resnet, "),
        ({"arithmetic": "int8"}, "arith='int8' is not allowed: one of fp32, hfp8, "),
        ({"seed": -1}, "seed=-1 is not allowed: an integer from 0 to 4294967295"),
        ({"epochs": 0}, "epochs=0 is not allowed: an integer from 1 to 1000000"),
        ({"batch": True}, "batch=True is not allowed: an integer from 1 to 1000000"),
        ({"arithmetic": "hfp8", "chunk": 0}, "chunk=0 is not allowed: an integer from 1 to "),
        ({"chunk": 64}, "chunk=64 is not allowed: fp32 has no chunks"),
        ({"loss_scaling": False}, "loss_scaling=False is not allowed: fp32 has no loss scaling"),
    ],
)
def test_jobs_refuse(change: dict[str, object], said: str) -> None:
    with pytest.raises(ParameterError) as error:
        Job(**{"task": "vision_resnet", **change})  # type: ignore[arg-type]
    assert str(error.value).startswith(said)


def test_the_command_knows_all_tasks() -> None:
    assert tuple(TASKS) == command.TASKS
    assert command.ARITHMETICS == jobs.ARITHMETICS
    for name in TASKS:
        assert find(name).name == name and name in str(command.train_command.help)


def test_a_run_from_the_command_line(cli: Cli, prepared: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    words = ("train", "vision_resnet", "--epochs", 1, "--batch", 16, "--data", prepared)
    for seed in (2, 1, 2):
        status, out, err = cli(*words, "--seed", seed, "--json", path)
        assert status == 0, err
        assert f"vision_resnet fp32 seed {seed}: " in out and " accuracy % after 1 epochs" in out
    rows = json.loads(path.read_text())["rows"]
    assert [row["seed"] for row in rows] == [1, 2]
    row = rows[0]
    assert (row["task"], row["arithmetic"], row["changes"]) == ("vision_resnet", "fp32", {})
    assert (row["unit"], row["epochs"], row["batch"], row["device"]) == ("accuracy %", 1, 16, "cpu")
    assert row["score"] == row["curve"][-1]["score"] and row["seconds"] > 0
    assert row["versions"].keys() == {"hfp8-hw", "torch", "numpy", "python"}


def test_bad_input_is_one_line(cli: Cli, prepared: Path, tmp_path: Path) -> None:
    def said(*words: str | int | Path) -> str:
        return cli.refused("train", *words)

    assert "task='vision' is not allowed: one of" in said("vision")
    assert "arith='fp16' is not allowed: one of fp32" in said("vision_resnet", "--arith", "fp16")
    assert "device='tpu' is not allowed: one of cpu" in said("vision_resnet", "--device", "tpu")
    assert "--resume is not allowed alone: name the file" in said("vision_resnet", "--resume")
    assert "chunk='few' is not allowed: an integer" in said("vision_resnet", "--chunk", "few")
    assert "there is no such folder" in said("vision_resnet", "--json", tmp_path / "no" / "r.json")
    data = ("vision_resnet", "--data", prepared, "--epochs", 1)
    other = tmp_path / "other"
    other.write_text("{}")
    assert "it is there and has no rows" in said(*data, "--json", other)
    assert "not a checkpoint" in said(*data, "--checkpoint", other, "--resume")
    missing = said(*data, "--checkpoint", tmp_path / "none", "--resume")
    assert "none' is not allowed: there is no such file" in missing and "checkpoint=" in missing
    np.savez(tmp_path / "hand.npz", source=np.array("fashion"), train_images=np.zeros(3))
    assert "it is not as --prepare wrote it" in said(*data[:2], tmp_path / "hand.npz")
    assert "there is no such file or folder" in said("vision_resnet", "--data", tmp_path / "none")
    assert "not a file that --prepare wrote" in said("vision_resnet", "--data", other)
    pack("bible", {}, tmp_path / "x.npz")
    assert "it has bible, and the task needs fashion" in said(
        "vision_resnet", "--data", tmp_path / "x.npz"
    )
    empty = said("vision_resnet", "--data", tmp_path)
    assert "train-images-idx3-ubyte.gz is missing; install the data with 'apt-get" in empty


def test_a_checkpoint_of_another_run_is_refused(cli: Cli, prepared: Path, tmp_path: Path) -> None:
    words = ("train", "vision_resnet", "--data", prepared, "--batch", 16,
             "--checkpoint", tmp_path / "c")  # fmt: skip
    assert cli(*words, "--epochs", 1)[0] == 0
    said = cli.refused(*words, "--epochs", 2, "--resume")
    assert "epochs=2 is not allowed: the checkpoint" in said and "of a run with 1" in said


def test_interrupted_runs_leave_a_checkpoint(prepared: Path, tmp_path: Path) -> None:
    """Ctrl-C in an epoch; what was done is there, and the run goes on to the same bits."""
    path = tmp_path / "c.pt"
    text = (
        "import sys;"
        "from hfp8_hw.nn.tasks.fashion import Vision; score = Vision.score\n"
        "def once(self, model):\n"
        "    print('scored', flush=True); return score(self, model)\n"
        "Vision.score = once\n"
        "from hfp8_hw.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["train", "vision_resnet", "--data", str(prepared), "--batch", "16",
             "--epochs", "200", "--seed", "5", "--checkpoint", str(path)]  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", text, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        while "scored" not in process.stdout.readline():
            assert process.poll() is None, process.stderr.read()
        while "scored" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert f"{path} has what was done; --resume goes on" in err
    done = torch.load(path, weights_only=True)
    assert 1 <= done["done"] < 200 and len(done["curve"]) == done["done"]
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_results_replace_their_like(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    row = {"task": "t", "arithmetic": "hfp8", "seed": 1, "changes": {}, "score": 1.0}
    results.add(path, row)
    results.add(path, {**row, "changes": {"chunk": 1}})
    results.add(path, {**row, "score": 2.0})
    assert sorted(r["score"] for r in results.load(path)) == [1.0, 2.0]
    write_whole(path, b'{"rows": [1]}')
    with pytest.raises(ParameterError, match="has no rows"):
        results.load(path)
    assert loop.finite(float("nan")) is None and loop.finite(2.0) == 2.0
