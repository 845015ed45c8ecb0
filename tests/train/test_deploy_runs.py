"""Checkpoints deployed from the command line and by the batch; the rows say what was done."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from hfp8_hw.cli import deploy as command
from hfp8_hw.errors import ParameterError
from hfp8_hw.nn.deployment import DEPLOYED, batch, scores
from hfp8_hw.nn.tasks import fashion, speech
from hfp8_hw.nn.tasks.models.convnets import ResNet
from hfp8_hw.nn.tasks.sources import pack
from hfp8_hw.nn.training import results
from hfp8_hw.nn.training.job import Job

from ..conftest import Cli
from .test_tasks_learn import speeches
from .test_tasks_loop import clothes, finished_run

CPU = torch.device("cpu")
JOB = Job("vision_resnet", seed=3, epochs=1, batch=8)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion, "ResNet", lambda: ResNet(blocks=1, width=4))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, and its data beside it."""
    return finished_run(tmp_path_factory.mktemp("run"), JOB, 32, 20)


def test_the_command_knows_all_arithmetics() -> None:
    assert command.ARITHMETICS == DEPLOYED
    for name in DEPLOYED:
        assert f"\n{name} " in inspect.cleandoc(command.deploy_command.help or "")


def test_a_checkpoint_from_the_command_line(cli: Cli, checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    words = ("deploy", checkpoint, "--data", checkpoint.parent, "--retune", 2, "--json", path)
    status, out, err = cli(*words, "--arith", "e5m2,int8,hfp8,e5m2")
    assert status == 0, err
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) == 6
    assert {(row["arithmetic"], row["retuned"]) for row in rows} == {
        (name, tuned) for name in ("e5m2", "int8", "hfp8") for tuned in (False, True)
    }
    for row in rows:
        assert row["fp32"] == scores.trained(checkpoint).score
        assert (row["task"], row["seed"], row["epochs"], row["batch"]) == ("vision_resnet", 3, 1, 8)
        assert row["calibration_batches"] == (8 if row["arithmetic"] == "int8" else None)
        assert row["retune_batches"] == (2 if row["retuned"] else None)
        assert row["device"] == "cpu" and row["unit"] == "accuracy %" and row["seconds"] >= 0
        assert row["versions"].keys() == {"hfp8-hw", "torch", "numpy", "python"}
        tuned = ", re-tuned" if row["retuned"] else ""
        assert f"{row['arithmetic']}: {row['score']:.3f} accuracy %{tuned}\n" in out
    assert cli(*words, "--arith", "ocp", "--retune", 0)[0] == 0
    found = results.load(path, scores.KEY)
    assert [r["retuned"] for r in found if r["arithmetic"] == "ocp"] == [False] and len(found) == 7


def test_scores_are_those_of_the_deployed_model(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row's score is of a model of its own; the same plan gives the same ones."""
    run, task = scores.trained(checkpoint), fashion.VisionResNet(clothes(32, 20), CPU)
    seen: list[torch.Tensor] = []

    def score(self: Any, model: torch.nn.Module) -> float:
        seen.append(model(fashion.normal(task.test_images)[:, None]))
        return float(seen[-1].sum())

    monkeypatch.setattr(fashion.Vision, "score", score)
    plan = scores.Plan(("hfp8-fast", "e5m2", "int8"), retune=2, calibration=2)
    first = [row["score"] for row in scores.measure(run, task, plan)]
    assert len(set(first)) == 6
    assert [row["score"] for row in scores.measure(run, task, plan)] == first
    other = scores.Plan(plan.arithmetics, 2, 2, seed=9)
    again = [row["score"] for row in scores.measure(run, task, other)]
    changed = [a != b for a, b in zip(first, again, strict=True)]
    # Other batches: other statistics and scales of activations; without both, the same bits.
    assert changed == [False, True, False, True, True, True]


def test_a_model_without_batch_norm_has_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = speech.Listener
    monkeypatch.setattr(speech, "PIECE", 20)
    monkeypatch.setattr(speech, "Listener", lambda n, width, mean: kind(n, 8, mean))
    task = speech.SpeechLanguage(speeches(), CPU)
    job = Job("speech_language", epochs=1, batch=16)
    run = scores.Trained(job, task.model().state_dict(), None, 1)
    plan = scores.Plan(("ocp", "e5m2"), retune=5, calibration=1)
    rows = list(scores.measure(run, task, plan))
    assert [(r["arithmetic"], r["retuned"], r["retune_batches"]) for r in rows] == [
        ("ocp", None, None), ("e5m2", None, None),
    ]  # fmt: skip
    assert plan.missing(job, rows) == ()


def test_what_is_missing() -> None:
    plan = scores.Plan(("hfp8", "int8"), retune=4, calibration=2)
    row = {"task": "vision_resnet", "seed": 3, "epochs": 1, "batch": 8, "arithmetic": "int8",
           "retuned": False, "retune_batches": None, "calibration_batches": 2}  # fmt: skip
    tuned = row | {"retuned": True, "retune_batches": 4}
    assert plan.missing(JOB, []) == ("hfp8", "int8")
    assert plan.missing(JOB, [row]) == ("hfp8", "int8")
    assert plan.missing(JOB, [row, tuned]) == ("hfp8",)
    for change in ({"seed": 4}, {"epochs": 2}, {"retune_batches": 5}, {"calibration_batches": 3}):
        assert plan.missing(JOB, [row, tuned | change]) == ("hfp8", "int8"), change
    assert scores.Plan(("int8",), 0, 2).missing(JOB, [row]) == ()


def test_bad_input_is_one_line(cli: Cli, checkpoint: Path, tmp_path: Path) -> None:
    def said(*words: str | int | Path) -> str:
        return cli.refused("deploy", *words)

    assert "there is no such file; hfp8 train TASK --checkpoint writes" in said(tmp_path / "none")
    other = tmp_path / "other"
    other.write_text("{}")
    assert f"checkpoint={str(other)!r} is not allowed: not a checkpoint" in said(other)
    assert "arith='fp32' is not allowed: one of hfp8, " in said(checkpoint, "--arith", "fp32")
    assert "device='tpu' is not allowed: one of cpu, cuda" in said(checkpoint, "--device", "tpu")
    assert "it is there and has no rows of this kind" in said(checkpoint, "--json", other)
    assert "there is no such folder" in said(checkpoint, "--json", tmp_path / "no" / "d.json")
    content = torch.load(checkpoint, weights_only=True)
    for change, words in (
        (
            {"done": 0, "curve": []},
            "0 of 1 epochs are done; hfp8 train with --resume does the rest",
        ),
        ({"job": {**content["job"], "arithmetic": "e5m2"}}, "of a run in e5m2, where fp32 is"),
    ):
        torch.save(content | change, other)
        assert words in said(other)
    with pytest.raises(ParameterError, match="retune=-1 is not allowed: an integer from 0 to"):
        scores.Plan(retune=-1)


def test_a_batch_trains_deploys_and_goes_on(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, path = tmp_path / "list", tmp_path / "d.json"
    listed.write_text("speech_language --seed 1-2 --epochs 1 --batch 32\n")
    pack("prompts", speeches(), tmp_path / "prompts.npz")
    words = [str(listed), "--json", str(path), "--device", "cpu", "--workers", "1", "--data",
             str(tmp_path), "--checkpoints", str(tmp_path), "--limit", "3600"]  # fmt: skip
    assert batch.main([*words, "--arith", "e5m2", "--calibrate", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 of 2 runs to do, 1 at once\n") and "2 done, 0 failed, 0 left" in out
    assert "speech_language fp32  seed 2 in e5m2: " in out
    assert [row["seed"] for row in results.load(path, scores.KEY)] == [1, 2]
    kept = sorted(tmp_path.glob("*.pt"))
    assert [scores.trained(one).job.seed for one in kept] == [1, 2]
    assert batch.main([*words, "--arith", "e5m2", "--limit", "0"]) == 0
    assert "0 of 2 runs to do" in capsys.readouterr().out
    listed.write_text("speech_language --arith e5m2")
    assert batch.main(words) == 2
    assert "runs are trained in fp32 here" in capsys.readouterr().err
    assert batch.main([*words, "--arith", "e5m3"]) == 2
    assert "arith='e5m3' is not allowed: one of hfp8, " in capsys.readouterr().err


def test_a_checkpoint_becomes_an_onnx_file(cli: Cli, checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    words = ("export", checkpoint, "-o", path, "--data", checkpoint.parent, "--retune", 2)
    status, out, err = cli(*words)
    assert status == 0, err
    assert out.startswith(f"{path}: vision_resnet in hfp8, ")
    facts = {p.key: json.loads(p.value) for p in onnx.load(path).metadata_props}
    assert facts["hfp8.about"]["task"] == "vision_resnet"
    assert facts["hfp8.about"]["retune_batches"] == 2
    task = fashion.VisionResNet(clothes(32, 20), CPU)
    plan = scores.Plan(("hfp8-fast",), retune=2)
    model, _ = scores.prepared(scores.trained(checkpoint), task, "hfp8-fast", plan)
    images = fashion.normal(task.test_images)[:, None]
    run = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = run.run(None, {"x": images.numpy()})
    np.testing.assert_allclose(found, model(images).numpy(), rtol=0.02, atol=0.02)
    assert "arith='fp32' is not allowed: one of hfp8, " in cli.refused(*words, "--arith", "fp32")
    assert "output='" in cli.refused(*words[:2], "-o", tmp_path / "no" / "m.onnx")
    assert "there is no such file" in cli.refused("export", tmp_path / "none", "-o", path)
