"""Biases moved so that products have FP32's means."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from hfp8_hw.golden.engine import GoldenEngine
from hfp8_hw.models import Settings, prepare
from hfp8_hw.models.biases import with_biases

from .conftest import Cli
from .onnx_files import SEED, normal, save

node = helper.make_node


def net(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Products of every kind: with and without a bias, C with a factor, and of two values."""
    rng = np.random.default_rng(SEED)
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1, 1, 1, 1]),
        node("Conv", ["c", "v"], ["d"], "bare"),
        node("ReduceMean", ["d"], ["f"], "mean", axes=[2, 3], keepdims=0),
        node("Gemm", ["f", "g", "h"], ["i"], "gemm", beta=0.5),
        node("Gemm", ["i", "j"], ["k"], "without", beta=0.25),
        node("MatMul", ["k", "l"], ["m"], "matmul"),
        node("Transpose", ["m"], ["t"], "turn"),
        node("MatMul", ["m", "t"], ["y"], "both"),
    ]
    constants = {
        "w": normal(rng, 4, 3, 3, 3), "b": normal(rng, 4), "v": normal(rng, 6, 4, 2, 2),
        "g": normal(rng, 6, 8), "h": normal(rng, 1, 8), "j": normal(rng, 8, 5),
        "l": normal(rng, 5, 7),
    }  # fmt: skip
    path = save(folder / "m.onnx", nodes, {"x": ["N", 3, 5, 5]}, ["c", "d", "i", "k", "m", "y"],
                constants)  # fmt: skip
    return path, {"x": normal(rng, 12, 3, 5, 5)}


@pytest.mark.parametrize("batch", [None, 5])
@pytest.mark.parametrize("kind", ["HFP8", "int8"])
def test_means_are_those_of_fp32(tmp_path: Path, batch: int | None, kind: str) -> None:
    path, x = net(tmp_path)
    fp32 = dict(zip("cdikmy", onnxruntime.InferenceSession(path).run(None, x), strict=True))
    deployment = prepare(path, x, Settings(kind), batch=batch)
    model, count = with_biases(deployment, x, GoldenEngine(), batch=batch)
    assert count == 5
    onnx.save(model, tmp_path / "moved.onnx")
    after = prepare(tmp_path / "moved.onnx", x, Settings(kind))
    # The same scales, so that what was estimated holds.
    after.numbers.update({name: deployment.numbers[name] for name in "xcfikwvgjl"})
    plain = deployment.run(x, GoldenEngine(), compare=False).outputs
    done = after.run(x, GoldenEngine(), compare=False).outputs
    for name in "cdikm":
        axes = tuple(k for k in range(fp32[name].ndim) if k != 1)
        spread = fp32[name].std()
        off = np.abs((done[name] - fp32[name]).mean(axes)).max() / spread
        assert off < 1e-5, name
        assert np.abs((plain[name] - fp32[name]).mean(axes)).max() / spread > 100 * off, name
    for name in deployment.graph.tensors:
        if name not in ("b", "h"):
            assert (after.graph.constant(name) == deployment.graph.constant(name)).all()


def test_the_command_moves_biases(cli: Cli, tmp_path: Path) -> None:
    path, x = net(tmp_path)
    np.savez(tmp_path / "x.npz", **x)  # type: ignore[arg-type]
    words = ("retune", path, "--inputs", tmp_path / "x.npz", "-o", tmp_path / "t.onnx")
    status, text, err = cli(*map(str, words), "--what", "biases", "--keep", "gemm")
    assert (status, err) == (0, "") and "4 of 5 products have new biases" in " ".join(text.split())
    assert onnxruntime.InferenceSession(tmp_path / "t.onnx").get_outputs()[0].name == "c"
    said = cli.refused(*map(str, words), "--what", "weights")
    assert "what='weights' is not allowed: one of statistics, biases" in said
