"""Batch normalization fitted to 8 bits."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from hfp8_hw.errors import ParameterError
from hfp8_hw.golden.engine import GoldenEngine
from hfp8_hw.models import prepare
from hfp8_hw.models.retune import retune

from .conftest import Cli
from .onnx_files import SEED, normal, save

node = helper.make_node


def net(folder: Path, w: np.ndarray, v: np.ndarray) -> Path:
    """Two convolutions, each with batch normalization; both of them with the same statistics."""
    nodes = [
        node("Conv", ["x", "w"], ["a"], "one"),
        node("BatchNormalization", ["a", "s", "b", "m", "v"], ["n"], "norm1"),
        node("Relu", ["n"], ["r"], "relu"),
        node("Conv", ["r", "u"], ["c"], "two"),
        node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"], "norm2", epsilon=0.25),
    ]
    ones = np.ones(4, np.float32)
    constants = {"w": w, "u": v, "s": 2 * ones, "b": ones, "m": 0 * ones, "v": ones}
    return save(folder / "m.onnx", nodes, {"x": ["N", 3, None, None]}, ["y"], constants)


def statistics(model: onnx.ModelProto, name: str) -> list[np.ndarray]:
    one = next(n for n in model.graph.node if n.name == name)
    found = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return [found[one.input[3]], found[one.input[4]]]


@pytest.mark.parametrize("batch", [None, 3])
def test_statistics_are_those_of_the_samples(tmp_path: Path, batch: int | None) -> None:
    """Of small integers, whose products are exact in 8 bits: of the first layer NumPy says what
    they are."""
    rng = np.random.default_rng(SEED)
    w = rng.integers(-3, 4, (4, 3, 2, 2)).astype(np.float32)
    x = rng.integers(-3, 4, (8, 3, 5, 6)).astype(np.float32)
    path = net(tmp_path, w, normal(rng, 4, 4, 1, 1))
    model, changed = retune(path, {"x": x}, GoldenEngine(), batch=batch)
    plain = save(tmp_path / "p.onnx", [node("Conv", ["x", "w"], ["a"])], {"x": None}, ["a"],
                 {"w": w})  # fmt: skip
    a = onnxruntime.InferenceSession(plain).run(None, {"x": x})[0].astype(np.float64)
    mean, variance = statistics(model, "norm1")
    assert np.allclose(mean, a.mean((0, 2, 3)), rtol=1e-6)
    assert np.allclose(variance, a.var((0, 2, 3)), rtol=1e-6)
    assert changed[0].shift == pytest.approx(np.abs(a.mean((0, 2, 3))).max(), rel=1e-4)
    ratio = np.sqrt(a.var((0, 2, 3)))
    assert changed[0].spread == pytest.approx(np.maximum(ratio, 1 / ratio).max(), rel=1e-3)
    # The second layer has others, and together they bring the outputs to scale and bias.
    assert not np.allclose(statistics(model, "norm2")[1], variance)
    onnx.save(model, tmp_path / "tuned.onnx")
    done = prepare(tmp_path / "tuned.onnx", {"x": x}).run({"x": x}, GoldenEngine())
    y = done.outputs["y"].astype(np.float64)
    assert np.allclose(y.mean((0, 2, 3)), 1, atol=0.1)
    assert np.allclose(y.std((0, 2, 3)), 2, atol=0.3)


def test_the_command_writes_a_model(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    path = net(tmp_path, normal(rng, 4, 3, 2, 2), normal(rng, 4, 4, 1, 1))
    np.savez(tmp_path / "x.npz", x=normal(rng, 4, 3, 5, 5))
    out = tmp_path / "t.onnx"
    status, text, err = cli("retune", path, "--inputs", tmp_path / "x.npz", "-o", out)
    assert (status, err) == (0, "") and "norm1" in text and "2 nodes" in text
    assert onnxruntime.InferenceSession(out).get_outputs()[0].name == "y"


def test_a_model_without_batch_normalization_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"])], {"x": None}, ["y"],
                {"w": np.ones((4, 4), np.float32)})  # fmt: skip
    with pytest.raises(ParameterError, match=r"has no BatchNormalization with statistics; many"):
        retune(path, {"x": np.ones((2, 4), np.float32)}, GoldenEngine())
