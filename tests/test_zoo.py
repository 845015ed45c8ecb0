"""The examples with real weights: their data, their scores, the command that fills the table."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from hfp8_hw.errors import ParameterError, ToolMissing
from hfp8_hw.golden.engine import GoldenEngine
from hfp8_hw.models.zoo import EXAMPLES, digits_cnn, find, packages
from hfp8_hw.models.zoo.basic_pitch import f_measure, notes
from hfp8_hw.models.zoo.data import chords, lines, samples
from hfp8_hw.models.zoo.data.chords import Note
from hfp8_hw.models.zoo.data.digits import digits
from hfp8_hw.models.zoo.scores import ARITHMETICS, kept, scores
from hfp8_hw.models.zoo.text_recognition import decoded, distance, letters_right

from .conftest import Cli

ROOT = Path(__file__).resolve().parent.parent


def test_digits_are_split_and_whole() -> None:
    data = digits()
    assert data.train.shape == (1437, 64) and data.test.shape == (360, 64)
    together = np.vstack([data.train, data.test])
    assert together.min() == 0 and together.max() == 1
    labels = np.concatenate([data.train_labels, data.test_labels])
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_gradients_are_differences() -> None:
    """Of the network that is trained here, by small steps in every kind of weight."""
    random = np.random.default_rng(1)
    shapes = {"weight0": (8, 1, 3, 3), "bias0": (8,), "weight1": (16, 8, 3, 3), "bias1": (16,),
              "weight2": (256, 10), "bias2": (10,)}  # fmt: skip
    weights = {name: random.normal(0, 0.3, shape) for name, shape in shapes.items()}
    images, labels = random.random((3, 1, 8, 8)), np.array([1, 7, 0])

    def loss() -> float:
        """Straight from the definitions, by PyTorch's names of them."""
        maps = images
        for layer in ("0", "1"):
            weight, padded = (
                weights[f"weight{layer}"],
                np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1))),
            )
            sums = np.zeros((3, len(weight), 8, 8)) + weights[f"bias{layer}"][:, None, None]
            for i in range(3):
                for j in range(3):
                    part = padded[:, :, i : i + 8, j : j + 8]
                    sums += np.einsum("ncyx,oc->noyx", part, weight[:, :, i, j])
            maps = np.maximum(sums, 0)
        pooled = np.stack([maps[:, :, i::2, j::2] for i in range(2) for j in range(2)]).max(0)
        logits = pooled.reshape(3, -1) @ weights["weight2"] + weights["bias2"]
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(3), labels]))

    found = digits_cnn.gradients(weights, images, labels)
    assert set(found) == set(shapes)
    for name in shapes:
        flat = weights[name].reshape(-1)
        for place in random.choice(len(flat), min(4, len(flat)), replace=False):
            kept_value, step = flat[place], 1e-6
            flat[place] = kept_value + step
            above = loss()
            flat[place] = kept_value - step
            below = loss()
            flat[place] = kept_value
            slope = (above - below) / (2 * step)
            assert slope == pytest.approx(found[name].reshape(-1)[place], rel=1e-4, abs=1e-7), name


def test_lines_are_the_same_each_time_and_half_of_them_turned() -> None:
    first, turned = lines.drawn(6, 3)
    again, _ = lines.drawn(6, 3)
    other, _ = lines.drawn(6, 4)
    assert first.shape == (6, 3, 48, 192) and first.dtype == np.float32
    assert (first == again).all() and not (first == other).all()
    assert turned.tolist() == [0, 1, 0, 1, 0, 1]
    assert first.min() >= -1 and first.max() <= 1 and first.std() > 0.1


def test_turned_is_turned() -> None:
    """The same line drawn both ways, without noise, is its own picture from the other end."""

    class Quiet:
        """A generator that adds no noise and draws no slant."""

        def __init__(self) -> None:
            self.inner = np.random.default_rng(5)

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def normal(self, mean: float, deviation: float, size: object) -> object:
            return np.zeros(size)  # type: ignore[call-overload]

    upright, turned = (lines.draw(Quiet(), way, "harbour") for way in (False, True))  # type: ignore[arg-type]
    wide = int(np.flatnonzero(upright.any((0, 1)))[-1]) + 1
    assert not (upright == turned).all()
    assert np.abs(upright[:, :, :wide] - turned[:, ::-1, :wide][:, :, ::-1]).max() < 0.02


def test_files_are_of_many_types_and_apart() -> None:
    calibration, evaluation = samples.chosen("calibration"), samples.chosen("evaluation")
    assert evaluation == samples.chosen("evaluation") and len(evaluation) >= 150
    assert not set(calibration) & set(evaluation)
    kinds = [samples._suffix(str(path.parent), path.name) for path in evaluation]
    assert len(set(kinds)) >= 20 and max(map(kinds.count, set(kinds))) <= 3


def test_chords_have_the_notes_that_they_say() -> None:
    sound, played = chords.pieces(3, 1)
    assert sound.shape == (3, chords.LENGTH, 1) and np.abs(sound).max() <= 0.7001
    for wave, said in zip(sound[:, :, 0], played, strict=True):
        begin = max(note.begin for note in said)
        part = wave[int((begin + 0.05) * chords.RATE) :][: chords.RATE // 3]
        strength = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        for note in (note for note in said if note.begin == begin):
            place = 440 * 2 ** ((note.pitch - 69) / 12) * len(part) / chords.RATE
            near = strength[int(place) - 1 : int(place) + 3].max()
            assert near > 20 * np.median(strength)


def test_notes_begin_at_onsets_and_last() -> None:
    sounding, onsets = np.zeros((2, 172, 88), np.float32)
    onsets[10, 40], sounding[10:60, 40] = 0.9, 0.8
    onsets[10, 50], sounding[10:15, 50] = 0.9, 0.8  # Too short.
    onsets[100, 40], sounding[100:172, 40] = 0.51, 0.31
    onsets[120, 41] = 0.49  # Not likely enough.
    assert notes(sounding, onsets) == [Note(61, 10 * 256 / 22050), Note(61, 100 * 256 / 22050)]


def test_what_is_read() -> None:
    letters = ["", "a", "b", " "]
    places = np.array([1, 1, 0, 1, 3, 2, 2, 0, 0])
    assert decoded(places, letters) == "aa b"
    assert [distance(*pair) for pair in (("kitten", "sitting"), ("", "ab"), ("ab", "ab"))] == [
        3,
        2,
        0,
    ]
    assert letters_right(["ab", "x"], ["ab", "abc"]) == pytest.approx(100 * (1 - 3 / 5))
    assert letters_right(["nothing of it"], ["a"]) == 0


def test_f_measure() -> None:
    played = [[Note(60, 0.1), Note(64, 0.1)], [Note(60, 1.0)]]
    assert f_measure(played, played) == 100
    heard = [[Note(60, 0.14), Note(65, 0.1)], []]
    assert f_measure(heard, played) == pytest.approx(100 * 2 * 1 / (2 + 3))
    assert f_measure([[Note(60, 0.16)], []], [[Note(60, 0.1)], []]) == 0
    assert f_measure([[]], [[]]) == 100


def test_a_score_is_that_of_the_codes() -> None:
    """The MLP by hand: codes of golden, the scales as documented, sums by golden."""
    from hfp8_hw import golden

    example = find("digits_mlp")
    rows = scores(example, ["fp32", "hfp8"], GoldenEngine(), tunings=("none",))
    by_name = {row["arithmetic"]: row for row in rows}
    onnx = packages.needed("onnx")
    model = onnx.load_from_string(example.model())
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}

    def scale(most: float) -> float:
        """The least power of two that brings a magnitude to 30 or below."""
        return float(2.0 ** np.ceil(np.log2(most / 30)))

    x, calibration = example.evaluation()["images"], example.calibration()["images"]
    hidden = np.maximum(calibration @ weights["weight0"] + weights["bias0"], 0)
    # Activations have a binade of room.
    tops = [2 * scale(float(calibration.max())), 2 * scale(float(hidden.max()))]
    for layer, top in enumerate(tops):
        own = scale(float(np.abs(weights[f"weight{layer}"]).max()))
        a = golden.quantize((x / top).astype(np.float32), "HFP8_FWD")
        b = golden.quantize((weights[f"weight{layer}"] / own).astype(np.float32), "HFP8_FWD")
        sums = golden.matmul(a, b, "HFP8_FWD", "HFP8_FWD", "DLFLOAT16")
        x = (golden.decode(sums, "DLFLOAT16") * top * own).astype(np.float32)
        x = x + weights[f"bias{layer}"]
        x = np.maximum(x, 0) if layer == 0 else x
    right = 100 * np.mean(x.argmax(1) == digits().test_labels)
    assert by_name["hfp8"]["score"] == round(float(right), 2) > 95
    assert by_name["fp32"]["agreement"] == 100 and by_name["fp32"]["samples"] == 360


def test_what_an_example_keeps() -> None:
    """Basic Pitch's front end, and nothing of its six convolutions."""
    from hfp8_hw.models.graph import load

    example = find("basic_pitch")
    graph = load(packages.file_of("basic_pitch", "saved_models/icassp_2022/nmp.onnx"))
    names = kept(example, graph)
    convolutions = [node.name for node in graph.nodes if node.op_type == "Conv"]
    assert len(names) == 26 and len(convolutions) == 32
    assert not any("conv2d" in name for name in names)


def test_what_is_missing_is_said() -> None:
    text = r"nosuch is missing; install it with: python -m pip install --no-deps nosuch==1"
    packages.SOURCES["nosuch"] = "--no-deps nosuch==1"
    try:
        with pytest.raises(ToolMissing, match=text):
            packages.file_of("nosuch", "model.onnx")
        with pytest.raises(ToolMissing, match=text):
            packages.needed("nosuch")
    finally:
        del packages.SOURCES["nosuch"]
    with pytest.raises(
        ToolMissing, match=r"a\.onnx of magika is missing; install it with: .* magika==1"
    ):
        packages.file_of("magika", "a.onnx")


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    words = ("bench", "models", "digits_mlp", "--json", str(path))
    status, out, _ = cli(*words, "--arith", "fp32,int8")
    assert status == 0 and "digits_mlp" in out and "98.06 accuracy %" in " ".join(out.split())
    status, out, _ = cli(*words, "--arith", "int8,e5m2", "--skip-known")
    rows = json.loads(path.read_text())["rows"]
    found = [(row["arithmetic"], row["retuned"]) for row in rows]
    assert found == [("e5m2", "biases"), ("e5m2", "none"), ("fp32", "none"),
                     ("int8", "biases"), ("int8", "none")]  # fmt: skip
    assert "int8" not in out and "e5m2" in out
    assert cli("bench", "models", "digits_mlp", "--files", str(tmp_path / "new"))[0] == 0
    with np.load(tmp_path / "new" / "digits_mlp-inputs.npz") as file:
        assert file["images"].shape == (360, 64)
    assert (tmp_path / "new" / "digits_mlp.onnx").read_bytes() == find("digits_mlp").model()


def test_what_the_command_refuses(cli: Cli, tmp_path: Path) -> None:
    said = cli.refused("bench", "models", "vgg")
    assert f"model='vgg' is not allowed: one of {', '.join(EXAMPLES)}" in said
    said = cli.refused("bench", "models", "--arith", "fp32,fp8")
    assert f"arith='fp8' is not allowed: one of {', '.join(ARITHMETICS)}" in said
    for words in (("--json", tmp_path / "j.json"), ("--arith", "fp32"), ("--retune", "none")):
        said = cli.refused("bench", "models", "digits_mlp", "--files", tmp_path / "m", *words)
        assert f"{words[0][2:]} is not allowed with --files, which scores nothing" in said
    assert not (tmp_path / "m").exists()
    said = cli.refused("bench", "models", "--skip-known")
    assert "skip-known is not allowed without --json" in said
    other = tmp_path / "other.json"
    other.write_text('{"rows": [{"task": 1}]}')
    said = cli.refused("bench", "models", "digits_mlp", "--json", str(other))
    assert "it is there and has no rows of this kind" in said
    said = cli.refused("bench", "models", "digits_mlp", "--json", "/dev/zero")
    assert "it is there and has no rows of this kind" in said
    with pytest.raises(ParameterError, match="model='vgg'"):
        find("vgg")


def test_the_committed_table_has_a_row_for_each() -> None:
    """Rows are of examples and arithmetics that there are; FP32 agrees with itself."""
    rows = json.loads((ROOT / "docs" / "results" / "models.json").read_text())["rows"]
    assert {row["model"] for row in rows} <= set(EXAMPLES)
    assert {row["arithmetic"] for row in rows} <= set(ARITHMETICS)
    assert all(row["agreement"] == 100 for row in rows if row["arithmetic"] == "fp32")


def test_the_packages_are_the_same_everywhere() -> None:
    """In the code, in pyproject.toml, in the Makefile and in the docs."""
    files = {name: (ROOT / name).read_text() for name in ("Makefile", "docs/models.md")}
    alone = [words.split() for words in packages.SOURCES.values() if words.startswith("--no-deps")]
    assert len(alone) == 2
    for words in alone:
        for text in files.values():
            assert words[-1] in text and all(word in text for word in words[:-1])
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.split("[>=]", requirement)[0] for requirement in extra["zoo"]}
    plain = {words for words in packages.SOURCES.values() if not words.startswith("--")}
    assert names == {"hfp8-hw[models]"} | {
        word.partition("==")[0] for words in plain for word in words.split()
    } - {"onnx", "onnxruntime"}
    assert packages.SOURCES["magika"] in extra["zoo"]
