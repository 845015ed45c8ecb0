"""scikit-learn's handwritten digits, and ONNX files of small networks that read them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....version import __version__
from ..packages import needed

F32 = NDArray[np.float32]
TESTED = 360
"""Images that are held out, of 1,797."""


@dataclass(frozen=True)
class Digits:
    """Images of 8 x 8, (n, 64) from 0 to 1, and what they show; a fifth is held out."""

    train: F32
    train_labels: NDArray[np.int64]
    test: F32
    test_labels: NDArray[np.int64]


@cache
def digits() -> Digits:
    """The images, split by a fixed seed.

    Raises
    ------
    ToolMissing
        If scikit-learn is not installed.
    """
    data = needed("sklearn.datasets")
    images, labels = data.load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[TESTED:], order[:TESTED]
    return Digits(images[train], labels[train], images[test], labels[test])


def onnx_file(name: str, nodes: list[tuple[Any, ...]], weights: dict[str, F32],
              shape: tuple[int, ...]) -> bytes:  # fmt: skip
    """A network from ``images``, (n, *shape), to ``logits``, (n, 10).

    Parameters
    ----------
    nodes : for each its operator, its inputs, its output and, if it has any, its attributes

    Raises
    ------
    ToolMissing
        If onnx is not installed.
    """
    onnx = needed("onnx")
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output], name=output, **dict(*more))
         for op, inputs, output, *more in nodes],
        name,
        [helper.make_tensor_value_info("images", kind, ["n", *shape])],
        [helper.make_tensor_value_info("logits", kind, ["n", 10])],
        [numpy_helper.from_array(array, key) for key, array in weights.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8,
                              producer_name="hfp8-hw", producer_version=__version__)  # fmt: skip
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
