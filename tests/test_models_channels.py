"""Weights with a scale for each channel.

Where each channel of the weights is small integers times one number that a scale can be, nothing of
them is lost, and products with small integers are FP32's.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

from hfp8_hw.golden.engine import GoldenEngine
from hfp8_hw.models import Deployment, Outcome, Settings, prepare

from .conftest import Cli
from .onnx_files import SEED, save

node = helper.make_node
CHANNELS = np.float32([1, 2 ** (3 / 16), 2**-5, 2 ** (-40 + 9 / 16), 2 ** (7 + 15 / 16), 0])
"""What the channels of the weights are multiplied by."""

LAYERS = {
    "conv": (node("Conv", ["x", "w", "b"], ["y"], "conv", group=2, pads=[1, 0, 0, 1]),
             (3, 4, 5, 6), (6, 2, 3, 2)),
    "line": (node("Conv", ["x", "w", "b"], ["y"], "conv"), (3, 4, 7), (6, 4, 3)),
    "gemm": (node("Gemm", ["x", "w", "b"], ["y"], "gemm", alpha=0.5), (3, 9), (9, 6)),
    "turned": (node("Gemm", ["x", "w", "b"], ["y"], "gemm", transB=1, beta=2.0), (3, 9), (6, 9)),
    "matmul": (node("MatMul", ["x", "w"], ["y"], "mm"), (2, 3, 9), (9, 6)),
    "batched": (node("MatMul", ["x", "w"], ["y"], "mm"), (2, 3, 9), (2, 9, 6)),
}  # fmt: skip


def integers(shape: tuple[int, ...], most: int) -> np.ndarray:
    return np.random.default_rng(SEED).integers(1 - most, most, shape).astype(np.float32)


def model(
    folder: Path, op: NodeProto, x: tuple[int, ...], w: tuple[int, ...], most: int
) -> tuple[Path, dict[str, np.ndarray]]:
    first = op.op_type == "Conv" or any(one.name == "transB" for one in op.attribute)
    weights = integers(w, most)
    np.moveaxis(weights, 0 if first else -1, 0)[(slice(None), *[0] * (len(w) - 1))] = most
    weights *= CHANNELS.reshape(-1, *[1] * (len(w) - 1 if first else 0))
    constants = {"w": weights, "b": integers((6,), 3)}
    path = save(folder / "m.onnx", [op], {"x": [None] * len(x)}, ["y"], constants)
    return path, {"x": integers(x, 3)}


def run(path: Path, samples: dict[str, np.ndarray], **asked: Any) -> tuple[Deployment, Outcome]:
    net = prepare(path, samples, Settings(**asked))
    return net, net.run(samples, GoldenEngine())


@pytest.mark.parametrize("kind, most", [("HFP8", 3), ("e5m2", 3), ("e4m3", 3), ("int8", 127)])
@pytest.mark.parametrize("name", LAYERS)
def test_channels_that_are_codes_are_exact(tmp_path: Path, name: str, kind: str, most: int) -> None:
    path, samples = model(tmp_path, *LAYERS[name], most)
    net, done = run(path, samples, format=kind, scales="channel")
    assert net.numbers["w"].factors is not None and net.numbers["x"].factors is None
    y, want = done.outputs["y"], done.reference["y"]
    assert y.shape == want.shape and y.dtype == np.float32
    axis = 1 if name in ("conv", "line") else -1
    for got, right in zip(np.moveaxis(y, axis, 0), np.moveaxis(want, axis, 0), strict=True):
        tight = 0.05 if kind == "int8" else 1e-6  # Integers have a scale that is not x's.
        assert np.abs(got - right).max() <= tight * np.abs(right).max()
    b = done.nodes[0].b
    assert b is not None and b.channels == 6 and b.errors is not None
    assert b.errors.noise <= 1e-13 * b.errors.signal
    if kind != "int8":
        coarse = run(path, samples, format=kind)[1].nodes[0].b
        assert coarse is not None and coarse.channels == 0 and coarse.errors is not None
        assert coarse.errors.noise > 1e-6 * coarse.errors.signal


def test_what_has_no_channels_keeps_its_scale(tmp_path: Path) -> None:
    """A vector, a product of two values, a first operand, and weights used along two axes."""
    nodes = [node("MatMul", ["x", "v"], ["a"], "vector"), node("MatMul", ["x", "x"], ["c"], "both"),
             node("MatMul", ["u", "x"], ["d"], "first"), node("MatMul", ["x", "w"], ["e"], "one"),
             node("Gemm", ["x", "w"], ["f"], "other", transB=1),
             node("MatMul", ["x", "z"], ["g"], "good")]  # fmt: skip
    four = integers((4, 4), 3) * CHANNELS[:4]
    path = save(tmp_path / "m.onnx", nodes, {"x": [None, 4]}, list("acdefg"),
                {"v": four[0], "u": four, "w": four + 1, "z": four - 1})  # fmt: skip
    samples = {"x": integers((4, 4), 3)}
    net, done = run(path, samples, scales="channel")
    assert [name for name, one in net.numbers.items() if one.factors is not None] == ["z"]
    assert {one.name for one in done.compared} == set("acdefg")


def test_weights_lose_less_and_the_option_says_so(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    w, x = rng.normal(size=(64, 32)).astype("f"), rng.normal(size=(50, 64)).astype("f")
    path = save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"], "mm")], {"x": ["N", 64]},
                ["y"], {"w": w})  # fmt: skip
    whole, each = (run(path, {"x": x}, scales=s)[1].nodes[0].b for s in ("tensor", "channel"))
    assert whole is not None and each is not None and whole.errors and each.errors
    assert each.errors.noise < 0.9 * whole.errors.noise and each.saturated == 0
    np.savez(tmp_path / "x.npz", x=x)
    report = tmp_path / "r.json"
    words = ("run", path, "--inputs", tmp_path / "x.npz")
    assert cli(*words, "--scales", "channel", "--report", report)[0] == 0
    text = report.read_text()
    assert '"scales": "channel"' in text and '"channels": 32' in text
    said = cli.refused(*words, "--scales", "row")
    assert "scales='row' is not allowed: one of tensor, channel" in said
