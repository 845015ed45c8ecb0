"""Every task learns, in FP32 and in HFP8, and its score is what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hfp8_hw.nn.tasks import TASKS, bible, detection, find, help_pages, speech
from hfp8_hw.nn.tasks.models import transformer
from hfp8_hw.nn.tasks.sources import pack
from hfp8_hw.nn.tasks.task import Task
from hfp8_hw.nn.training import batch as batches
from hfp8_hw.nn.training import loop, results, setup
from hfp8_hw.nn.training.job import Job

from .test_tasks_loop import clothes

CPU = torch.device("cpu")
Arrays = dict[str, np.ndarray]


def text() -> Arrays:
    rng = np.random.default_rng(1)
    words = rng.integers(0, 9, 3000).astype(np.uint8)
    return {"letters": np.arange(9), "train": words, "test": words[:600]}


def pairs() -> Arrays:
    """German is English with every piece one higher."""
    rng = np.random.default_rng(1)
    found: Arrays = {"pieces": np.array(["", "", "", "", *(f"\u2581w{k}" for k in range(12))])}
    for name, count in (("train", 40), ("test", 6)):
        rows = [rng.integers(4, 15, rng.integers(3, 9)) for _ in range(count)]
        starts = np.cumsum([0, *(len(row) + 1 for row in rows)])
        for side, add in (("en", 0), ("de", 1)):
            found[f"{name}_{side}"] = np.concatenate([[*(row + add), 2] for row in rows])
            found[f"{name}_{side}_starts"] = starts
    found["references"] = np.array([" ".join(f"w{k - 3}" for k in row) for row in rows])
    return found


def speeches() -> Arrays:
    """A language is a band; so is a letter."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(30, 60, 40)
    frames = rng.integers(0, 60, (lengths.sum(), 32)).astype(np.uint8)
    labels = rng.integers(0, 5, 40)
    frames[np.arange(len(frames)), np.repeat(6 * labels, lengths)] = 110
    letters = np.repeat(labels + 3, 4)
    return {"frames": frames, "starts": np.cumsum([0, *lengths]), "labels": labels,
            "letters": letters, "letters_starts": np.arange(0, 164, 4),
            "test": np.arange(40) >= 32}  # fmt: skip


DATA: dict[str, Callable[[], Arrays]] = {
    "fashion": lambda: clothes(64, 40), "bible": text, "help": pairs,
    "prompts": speeches, "letters": speeches,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks and pieces that a processor trains in no time."""
    monkeypatch.setattr(bible, "LENGTH", 16)
    monkeypatch.setattr(bible, "Reader", lambda n, m: transformer.Reader(n, m, 64, 2))
    monkeypatch.setattr(help_pages, "Translator", lambda n, m: transformer.Translator(n, m, 64, 1))
    monkeypatch.setattr(speech, "PIECE", 20)
    monkeypatch.setattr(
        speech, "Listener", lambda n, width, mean, kind=speech.Listener: kind(n, 16, mean)
    )


def task(name: str) -> Task:
    kind = find(name)
    return kind(DATA[kind.source.name](), CPU)


def losses(name: str, arith: str, steps: int) -> list[float]:
    """Of one batch, again and again."""
    mine = task(name)
    setup.deterministic()
    job = Job(name, arith, seed=3)
    model, optimizer, scaler = setup.build(job, mine)
    found = []
    for _ in range(steps):
        order, augment = loop.generators(job, 0, CPU)
        optimizer.zero_grad()
        loss = mine.loss(model, mine.batches(8, order)[0], augment)
        scaler.backward(loss)
        scaler.step(optimizer)
        found.append(float(loss.detach()))
    with torch.no_grad():
        score = mine.score(model.eval())
    assert score >= 0 and (score <= 100 or mine.unit in ("bits/char", "letter errors %"))
    return found


@pytest.mark.parametrize("arith", ["fp32", "hfp8-fast"])
@pytest.mark.parametrize("name", TASKS)
def test_it_learns(name: str, arith: str) -> None:
    found = losses(name, arith, 8)
    assert np.isfinite(found).all()
    assert min(found[4:]) < 0.93 * found[0], found


@pytest.mark.parametrize(
    ("name", "arith", "chunk"),
    [("vision_resnet", "hfp8-fast", None), ("speech_letters", "e5m2", None),
     ("language_char", "ocp", None), ("speech_language", "hfp8", 16)],
)  # fmt: skip
def test_resumed_is_the_same_as_straight(
    name: str, arith: str, chunk: int | None, tmp_path: Path
) -> None:
    """With residuals, momenta, codes, the loss scale and the random bits of rounding."""
    job, mine, path = Job(name, arith, 7, 2, 24, chunk), task(name), tmp_path / "c.pt"
    if isinstance(mine, bible.LanguageChar):
        mine.text = mine.text[:800]
    straight, one = loop.train(job, mine)
    loop.train(job, mine, path, until=1)
    second, two = loop.train(job, mine, path, resume=True)
    assert straight["curve"] == second["curve"] and straight["score"] is not None
    a, b = one.model.state_dict(), two.model.state_dict()
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
    assert one.scaler.state_dict() == two.scaler.state_dict()


def test_every_task_has_its_layers_converted() -> None:
    """None but normalizations stays in FP32, and 16 bits are where they should be."""
    from hfp8_hw.nn import convert

    for name in TASKS:
        mine = task(name)
        done = convert(mine.model(), "hfp8", first_last=mine.ends)
        odd = [line for line in done.left if "normalizes" not in line and "no products" not in line]
        assert not odd, (name, odd)
        wide = [line.split(":")[0] for line in done.converted if "DLFLOAT16" in line]
        assert len(wide) == (7 if name == "detection" else 2), (name, wide)


def test_the_cost_of_a_letter() -> None:
    """A model that knows nothing pays log2(9) bits; one that is sure and right pays nothing."""
    mine = task("language_char")
    assert isinstance(mine, bible.LanguageChar)
    even = torch.nn.Module()
    even.forward = lambda x: torch.zeros(*x.shape, 9)  # type: ignore[assignment]
    assert mine.score(even) == pytest.approx(np.log2(9))
    mine.test = (torch.arange(900) % 9).to(torch.uint8)
    sure = torch.nn.Module()
    sure.forward = lambda x: 99.0 * torch.nn.functional.one_hot((x + 1) % 9, 9)  # type: ignore[assignment]
    assert mine.score(sure) == pytest.approx(0, abs=1e-6)


def test_translations(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = task("translation")
    assert isinstance(mine, help_pages.Translation)
    assert mine.text([4, 5, 2, 6]) == "w0 w1" and mine.text([]) == ""
    seen = torch.cat(mine.batches(7, torch.Generator().manual_seed(1)))
    assert sorted(seen.tolist()) == list(range(40))
    model = torch.nn.Module()
    monkeypatch.setattr(mine, "translate", lambda model: mine.references)
    assert mine.score(model) == pytest.approx(100)
    monkeypatch.setattr(mine, "translate", lambda model: ["x"] * 6)
    assert mine.score(model) == 0


def test_padding_does_not_matter() -> None:
    """What the decoder says of a pair is the same beside a longer one."""
    torch.manual_seed(1)
    model = transformer.Translator(16, 40, 64, 1).eval()
    english, german = torch.tensor([[5, 6, 2]]), torch.tensor([[1, 7, 8]])
    longer = torch.nn.functional.pad(english, (0, 4))
    assert torch.allclose(model(english, german), model(longer, german), atol=1e-5)
    text = torch.tensor([[4, 5, 6, 7]])
    reader = transformer.Reader(9, 16, 64, 1).eval()
    assert torch.allclose(reader(text)[:, :3], reader(text[:, :3]), atol=1e-5)


def test_error_rate_of_letters() -> None:
    mine = task("speech_letters")
    assert isinstance(mine, speech.SpeechLetters)
    said = [3, 3, 0, 3, 0, 0, 4, 4]
    model = torch.nn.Module()
    width = len(speech.ALPHABET)
    model.forward = (
        lambda x: torch.nn.functional.one_hot(  # type: ignore[assignment]
            torch.tensor([(said + [0] * 99)[: x.shape[1] // 2]] * len(x)), width
        ).float()
    )
    texts = [mine.texts[int(k)].tolist() for k in mine.test]
    wrong = sum(speech.distance([3, 3, 4], text) for text in texts)
    assert mine.score(model) == pytest.approx(100 * wrong / 32)


def test_detections_that_are_right() -> None:
    mine = task("detection")
    assert isinstance(mine, detection.Detection)
    which, kinds = detection.match(mine.test.boxes, mine.test.labels, mine.anchors)
    boxes = mine.test.boxes.gather(1, which[..., None].expand(-1, -1, 4))
    said = detection.encode(boxes, mine.anchors)
    scores = 20 * torch.nn.functional.one_hot(kinds + 1, detection.CLASSES + 1).float()
    model = torch.nn.Module()
    model.forward = lambda x: (scores, said)  # type: ignore[assignment]
    assert mine.score(model) == pytest.approx(100, abs=2)


LIST = """
# remarks
vision_resnet --seed 1-2,7 --epochs 1 --batch 16   # and more
vision_mobilenet --arith hfp8 --chunk none --no-loss-scaling
"""


def test_lists() -> None:
    found = batches.jobs(LIST, "list")
    assert [job.seed for job in found] == [1, 2, 7, 1]
    assert found[0] == Job("vision_resnet", "fp32", 1, 1, 16)
    assert found[3].changes == {"chunk": "none", "loss_scaling": False}


def test_the_committed_runs_are_those_of_the_list() -> None:
    folder = Path(__file__).resolve().parents[2] / "docs" / "results"
    every = batches.jobs((folder / "training.txt").read_text(), "list")
    rows = results.load(folder / "training.json")
    assert rows and all(any(batches.same(job, row) for job in every) for row in rows)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("vision", "task='vision' is not allowed: one of"),
        ("vision_resnet --seed x", "seed='x' is not allowed: such as 1, 1-5 or 1,4-6"),
        ("vision_resnet --epochs x", "epochs='x' is not allowed: an integer from 1 to"),
        ("vision_resnet --what", "unrecognized arguments: --what"),
        ("vision_resnet --arith hfp8 --chunk 0", "chunk=0 is not allowed"),
        ("--seed 1", "the following arguments are required: task"),
    ],
)
def test_wrong_lines(line: str, said: str, tmp_path: Path,
                     capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    path = tmp_path / "list"
    path.write_text(f"vision_resnet\n\n{line}\n")
    assert batches.main([str(path), "--json", str(tmp_path / "r.json")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"{path}, line 3: ") and said in err and err.count("\n") == 1


def test_a_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows are there when it ends; what is done is not done again; what fails is said."""
    pack("fashion", clothes(), tmp_path / "fashion.npz")
    listed, path = tmp_path / "list", tmp_path / "r.json"
    listed.write_text("vision_resnet --seed 1-2 --epochs 1 --batch 16\nlanguage_char --epochs 1")
    words = [str(listed), "--json", str(path), "--device", "cpu", "--workers", "2",
             "--data", str(tmp_path), "--checkpoints", str(tmp_path)]  # fmt: skip
    assert batches.main([*words, "--limit", "3600"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("3 of 3 runs to do, 2 at once\n") and "2 done, 1 failed, 0 left" in out
    assert "FAILED  language_char fp32  seed 1: MissingData: data=" in out
    assert [row["seed"] for row in batches.results.load(path)] == [1, 2]
    listed.write_text("vision_resnet --seed 1-3 --epochs 1 --batch 16")
    assert batches.main([*words, "--limit", "0"]) == 1
    assert "1 of 3 runs to do" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.pt"))
