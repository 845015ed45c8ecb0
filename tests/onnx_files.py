"""Small ONNX files for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SEED = 23


def save(
    path: Path,
    nodes: list[Any],
    inputs: dict[str, Any],
    outputs: list[str],
    constants: dict[str, np.ndarray],
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
) -> Path:
    """A model file; ``inputs`` have shapes, or None for no shape."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, kind, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, kind, None) for n in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.save(model, path)
    return path


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Normally distributed numbers."""
    return rng.normal(size=shape).astype(np.float32)


def small_net(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A convolution with sums of 27 products, ReLU, a mean and a Gemm; and samples."""
    rng = np.random.default_rng(SEED)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("ReduceMean", ["r"], ["f"], "mean", axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"], "gemm"),
    ]
    constants = {
        "w": normal(rng, 4, 3, 3, 3), "b": normal(rng, 4),
        "w2": normal(rng, 4, 10), "b2": normal(rng, 10),
    }  # fmt: skip
    path = save(folder / "net.onnx", nodes, {"x": ["N", 3, 5, 5]}, ["y"], constants)
    return path, {"x": normal(rng, 3, 3, 5, 5)}
