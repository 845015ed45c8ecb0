"""What the tasks read and how they score, against values by hand."""

from __future__ import annotations

import gzip
import json
import math
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from hfp8_hw.errors import ParameterError
from hfp8_hw.nn.tasks import audio, bible, boxes, detection, fashion, help_pages, scenes, speech
from hfp8_hw.nn.tasks import recordings as sounds
from hfp8_hw.nn.tasks.sources import prepare

from ..conftest import Cli

HIT, MISS = True, False


@pytest.mark.parametrize(
    ("hits", "objects", "by_hand"),
    [
        ([HIT], 1, 1.0),
        ([MISS, HIT], 1, 0.5),
        ([], 3, 0.0),
        ([MISS, MISS], 3, 0.0),
        # Half of them at precision 1: the 51 recalls up to 0.5; the rest at two of three.
        ([HIT, MISS, HIT], 2, (51 + 50 * 2 / 3) / 101),
        # A later, better precision holds for the recalls before it too.
        ([MISS, HIT, HIT], 2, 2 / 3),
        # One of four is found: the 26 recalls up to 0.25.
        ([HIT, MISS, MISS], 4, 26 / 101),
        # One of three: 0.33 is below a third, 0.34 above it.
        ([HIT], 3, 34 / 101),
    ],
)
def test_average_precision(hits: list[bool], objects: int, by_hand: float) -> None:
    assert boxes.average_precision(np.array(hits, bool), objects) == pytest.approx(by_hand)


def found(*rows: tuple[list[float], int, float]) -> tuple[np.ndarray, ...]:
    """Boxes, classes and scores of a picture."""
    return (np.array([r[0] for r in rows], np.float32).reshape(-1, 4),
            np.array([r[1] for r in rows]), np.array([r[2] for r in rows]))  # fmt: skip


def objects(*rows: tuple[list[float], int]) -> tuple[np.ndarray, np.ndarray]:
    return (np.array([r[0] for r in rows], np.float32).reshape(-1, 4),
            np.array([r[1] for r in rows]))  # fmt: skip


def test_mean_precision() -> None:
    one, half, other = [0, 0, 2, 2], [0, 0, 2, 1], [5, 5, 9, 9]
    truth = [objects((one, 0), (other, 1)), objects((one, 0))]
    nothing = found()
    assert boxes.mean_precision([nothing, nothing], truth, 3) == 0
    both = [found((one, 0, 0.9), (other, 1, 0.2)), found((half, 0, 0.1))]
    assert boxes.mean_precision(both, truth, 3) == 1  # Half of it is enough; class 2 is in none.
    assert boxes.mean_precision(both, truth, 3, 0.51) == pytest.approx((51 / 101 + 1) / 2)
    # The second box of one object is wrong, and so is one of another class.
    twice = [found((half, 0, 0.8), (one, 0, 0.9), (one, 1, 0.5)), nothing]
    assert boxes.mean_precision(twice, truth, 2) == pytest.approx(51 / 101 / 2)
    assert boxes.mean_precision([nothing], [objects()], 3) == 0


def test_overlap_and_what_is_kept() -> None:
    some = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2], [3, 3, 5, 5], [0, 0, 4, 3]])
    shares = boxes.overlap(some, some)
    assert torch.allclose(shares.diagonal(), torch.ones(4))
    assert shares[0, 1] == 0.5 and shares[0, 2] == pytest.approx(1 / 19)
    assert shares[1, 2] == 0 and shares[0, 3] == 0.75
    # The first hides the last, whose class it has; the second is hidden by none that is kept.
    kinds = torch.tensor([[1, 1, 1, 1]])
    assert boxes.kept(some[None], kinds, 0.5).tolist() == [[True, True, True, False]]
    assert boxes.kept(some[None], torch.tensor([[1, 0, 1, 0]]), 0.5).tolist() == [
        [True, True, True, False]
    ]
    assert boxes.kept(some[None], torch.tensor([[1, 0, 1, 2]]), 0.5).all()


def test_anchors_and_what_they_are_for() -> None:
    places = detection.anchors()
    count = sum(
        (scenes.SIDE // stride) ** 2 * len(sizes) * len(detection.RATIOS)
        for stride, sizes in zip(detection.STRIDES, detection.SIZES, strict=True)
    )
    assert places.shape == (count, 4)
    target = torch.tensor([[[10.0, 12, 30, 50], [0, 0, 0, 0]], [[40, 40, 42, 43], [50, 9, 90, 60]]])
    labels = torch.tensor([[4, -1], [0, 9]])
    which, kinds = detection.match(target, labels, places)
    assert set(kinds[0].tolist()) == {-1, 4} and set(kinds[1].tolist()) == {-1, 0, 9}
    assert (which[0][kinds[0] == 4] == 0).all()
    # Too small for any anchor: it has the one that overlaps it most all the same.
    assert int((kinds[1] == 0).sum()) == 1
    there = detection.decode(detection.encode(target[0, :1], places), places)
    assert torch.allclose(there, target[0, 0].expand_as(there), atol=1e-3)


def test_scenes_are_what_their_boxes_say() -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    images[0, 4:20, 6:10], images[1, :, :], images[2, 10:12, :] = 255, 250, 245
    made = scenes.compose(images, np.array([7, 8, 9]), 12, seed=4)
    again = scenes.compose(images, np.array([7, 8, 9]), 12, seed=4)
    assert torch.equal(made.images, again.images) and torch.equal(made.boxes, again.boxes)
    assert not torch.equal(made.images, scenes.compose(images, np.array([7, 8, 9]), 12, 5).images)
    counts = (made.labels >= 0).sum(1)
    assert counts.min() >= 1 and counts.max() <= scenes.MOST
    for picture, places, kinds in zip(made.images, made.boxes, made.labels, strict=True):
        bright = picture > 95
        covered = torch.zeros_like(bright)
        for (left, top, right, bottom), kind in zip(places.int().tolist(), kinds, strict=True):
            if kind >= 0:
                assert 0 <= left < right <= scenes.SIDE and 0 <= top < bottom <= scenes.SIDE
                covered[top:bottom, left:right] = True
        assert not (bright & ~covered).any() and bright.any()


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)],
)
def test_distance(a: str, b: str, count: int) -> None:
    assert speech.distance([*map(ord, a)], [*map(ord, b)]) == count


def tone(path: Path, hertz: float, level: float, rate: int = 8000, seconds: float = 0.5) -> None:
    t = np.arange(int(rate * seconds)) / rate
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((level * 32767 * np.sin(2 * math.pi * hertz * t)).astype("<i2").tobytes())


def test_a_tone_is_in_its_band(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav", 1000, 0.8)
    tone(tmp_path / "b.wav", 1000, 0.4)
    loud, soft = (
        audio.frames(*audio.samples(tmp_path / name), high=3800) for name in ("a.wav", "b.wav")
    )
    assert loud.shape == soft.shape == (24, audio.BANDS) and loud.dtype == np.uint8
    band = int(loud[5].argmax())
    weights = audio.bands(8000, 256, 3800)
    assert weights[band, 1000 * 256 // 8000] == weights[:, 1000 * 256 // 8000].max() > 0
    # Full scale is 0 dB, which is 100 steps above the floor; half of it is 6 dB less.
    assert 95 <= loud[5, band] <= 101 and loud[5, band] - soft[5, band] == 6
    assert (audio.frames(np.zeros(4000), 8000, 3800) == 0).all()
    (tmp_path / "c.wav").write_bytes(b"RIFF")
    with pytest.raises(ParameterError, match="is not a mono WAV file of 16 bits"):
        audio.samples(tmp_path / "c.wav")


def test_prompts(tmp_path: Path) -> None:
    """Each language has the same prompts in its test; silence is left out."""
    for language in sounds.LANGUAGES:
        place = tmp_path / f"{language}_XX_f_Someone"
        (place / "silence").mkdir(parents=True)
        tone(place / "silence" / "1.wav", 100, 0.0)
        for k in range(24):
            tone(place / f"{k}.wav", 300 + 50 * k, 0.5, seconds=0.2 + 0.02 * k)
    data = sounds.prompts(tmp_path)
    assert data["labels"].tolist() == [k for k in range(5) for _ in range(24)]
    test = data["test"].reshape(5, 24)
    assert (test == test[0]).all() and 0 < test[0].sum() < 24
    assert data["starts"][-1] == len(data["frames"]) and (np.diff(data["starts"]) > 0).all()
    task = speech.SpeechLanguage(data, torch.device("cpu"))
    assert task.size == int((~data["test"]).sum())
    (tmp_path / "es_XX_f_Someone").rename(tmp_path / "gone")
    with pytest.raises(ParameterError, match=r"es_\* is missing; install the data with 'apt-get"):
        sounds.PROMPT_SOURCE.load(tmp_path)


def verses(path: Path, chapters: int) -> None:
    lines = [
        {"book": "B", "chapter": c, "verse": v, "text": f"Verse {v} of chapter {c}; it is so."}
        for c in range(chapters) for v in range(3)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_text(cli: Cli, tmp_path: Path) -> None:
    verses(tmp_path / bible.FILE, 40)
    data = bible.read(tmp_path)
    letters = "".join(chr(k) for k in data["letters"])
    test = "".join(letters[k] for k in data["test"])
    train = "".join(letters[k] for k in data["train"])
    assert test.startswith("Verse 0 of chapter 19; it is so.\nVerse 1 of chapter 19")
    assert test.count("\n\n") == 2 and "chapter 39" in test and train.count("\n\n") == 38
    assert "chapter 19;" not in train
    path = tmp_path / "x.npz"
    status, out, _ = cli("train", "language_char", "--data", tmp_path, "--prepare", path)
    assert status == 0 and out == f"{path}: bible, 0.0 MB\n"
    again = bible.SOURCE.load(path)
    assert all(np.array_equal(again[name], data[name]) for name in data)
    texts = sounds.sentences(tmp_path)
    assert texts == sounds.sentences(tmp_path) and len(set(texts)) == len(texts)
    assert all(3 <= len(text.split()) <= 5 and set(text) <= set(sounds.ALPHABET) for text in texts)


def page(path: Path, *rows: tuple[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(f'<p id="{key}" class="paragraph">{text}</p>\n' for key, text in rows)
    path.write_text(f'<!DOCTYPE html><meta charset="utf-8"><body><h1 id="hd_id1">T</h1>{body}')


def test_pairs_of_help_pages(tmp_path: Path) -> None:
    same = ("par_id9", "a b c d")
    page(tmp_path / "en-US/text/a.html", ("par_id1", "Press <em>the</em> key\nnow."), same,
         ("par_id2", "too short"), ("other", "not a paragraph at all"))  # fmt: skip
    page(tmp_path / "de/text/a.html", ("par_id1", "Drücken Sie die Taste."), same,
         ("par_id2", "viel zu kurz hier"), ("other", "gar kein Absatz hier"))  # fmt: skip
    page(tmp_path / "en-US/text/b/c.html", ("par_id1", "Press the key now."), ("par_id3", "a b c"))
    page(tmp_path / "de/text/b/c.html", ("par_id1", "Drücken Sie die Taste."))
    page(tmp_path / "en-US/text/d.html", ("par_id1", "Only here, in English."))
    assert help_pages.pairs(tmp_path) == [(0, "Press the key now.", "Drücken Sie die Taste.")]
    with pytest.raises(ParameterError, match=r"en-US/text is missing; install the data with"):
        help_pages.SOURCE.load(tmp_path / "de")


def test_pieces_and_text() -> None:
    flat, starts = np.array([5, 6, 2, 7, 2, 4, 5, 6, 2], np.uint16), np.array([0, 3, 5, 9])
    assert help_pages.table(flat, starts).tolist() == [[5, 6, 2, 0], [7, 2, 0, 0], [4, 5, 6, 2]]


def test_idx_files(tmp_path: Path) -> None:
    images = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
    for name in fashion.FILES.values():
        part = images if "images" in name else np.array([3, 4], np.uint8)
        head = struct.pack(f">I{part.ndim}I", 0x800 + part.ndim, *part.shape)
        (tmp_path / name).write_bytes(gzip.compress(head + part.tobytes()))
    data = fashion.read(tmp_path)
    assert np.array_equal(data["test_images"], images) and data["train_labels"].tolist() == [3, 4]
    assert prepare(fashion.SOURCE, tmp_path, tmp_path / "fashion.npz") > 100
    assert fashion.SOURCE.load(tmp_path).keys() == data.keys()
    for bad in (b"", b"no", gzip.compress(b"\0\0\x09\1\0\0\0\1a"), gzip.compress(b"\0\0")):
        (tmp_path / fashion.FILES["train_images"]).write_bytes(bad)
        with pytest.raises(ParameterError, match="is not a compressed IDX file of bytes"):
            fashion.read(tmp_path)


def test_moved_pictures() -> None:
    """Every result is the picture moved by up to two pixels, mirrored or not."""
    image = torch.arange(1, 17, dtype=torch.uint8).view(1, 4, 4).repeat(200, 1, 1)
    made = fashion.moved(image, torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(image[0], (2,) * 4)
    allowed = {
        tuple(side[y : y + 4, x : x + 4].flatten().tolist())
        for side in (padded, padded.flip(1)) for y in range(5) for x in range(5)
    }  # fmt: skip
    seen = {tuple(one.flatten().tolist()) for one in made}
    assert seen <= allowed and len(seen) > 40
