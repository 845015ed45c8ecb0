"""Biases in the accumulator's format, as the core's epilogue adds them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph
from ..layers import Conv, Layer
from ..numbers import WIDE, Number


def bias_codes(layer: Layer, graph: Graph, scale: float) -> NDArray[Any] | None:
    """A layer's bias over ``scale``, what 1 in its sums stands for, as codes of `WIDE`: one for
    each column of the sums, with a convolution for each row. None if it is no such bias."""
    if layer.addend not in graph.tensors:
        return None
    held = graph.constant(layer.addend)
    if not isinstance(layer, Conv):
        columns = channels(layer, graph)
        if layer.attributes.get("alpha", 1.0) != 1.0 or columns is None:
            return None
        if held.ndim > 2 or held.shape[:-1] not in ((), (1,)) or held.size not in (1, columns):
            return None
        held = np.float32(layer.attributes.get("beta", 1.0)) * np.broadcast_to(
            held.reshape(-1), columns
        )
    return Number(WIDE, scale).code(held).codes


def channels(layer: Layer, graph: Graph) -> int | None:
    """Columns of the product with a constant matrix; None of another one."""
    name = layer.operands[1]
    if name not in graph.tensors or graph.constant(name).ndim != 2:
        return None
    return int(graph.constant(name).shape[0 if layer.attributes.get("transB") else 1])


def spread(layer: Layer, codes: NDArray[Any], groups: int) -> NDArray[Any]:
    """In the shape in which they are added to sums (groups, m, n)."""
    return codes.reshape(groups, -1, 1) if isinstance(layer, Conv) else codes
