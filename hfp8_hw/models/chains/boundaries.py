"""What is between products, and whether a core can do it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto

from ...formats import SCALE_RANGE
from ..graph import Graph, needed
from ..layers import Conv, Layer
from ..numbers import ordinary
from ..plan import EIGHT
from .bias import channels

if TYPE_CHECKING:
    from ..deployment import Deployment


@dataclass(frozen=True)
class Boundary:
    """What becomes of a product's results.

    Members
    -------
    first, second : str
        Names of the product and of the one that takes its results; ``second`` is empty if there is
        none.
    relu : bool
        There is a Relu between them.
    why : str
        Why the results go through the host; empty if they can stay on the core.
    """

    first: str
    second: str = ""
    relu: bool = False
    why: str = ""


class _Through(Exception):
    """Why results go through the host."""


def boundaries(deployment: Deployment) -> list[Boundary]:
    """What becomes of the results of each product in 8 bits, in the order of the nodes."""
    where = {node.name: node.where for node in deployment.nodes}
    takers: dict[str, list[NodeProto]] = {}
    for node in deployment.graph.nodes:
        for name in dict.fromkeys(needed(node)):
            takers.setdefault(name, []).append(node)
    return [
        _boundary(deployment, layer, takers, where)
        for name, layer in deployment.plan.layers.items()
        if where[name] == EIGHT
    ]


def _boundary(
    deployment: Deployment, layer: Layer, takers: dict[str, list[NodeProto]], where: dict[str, str]
) -> Boundary:
    graph, node, relu = deployment.graph, layer.node, False
    second = ""
    try:
        while True:
            taker = _taker(graph, node.output[0], takers)
            if taker.op_type != "Relu" or relu:
                break
            node, relu = taker, True
        if taker.name not in where or taker.name not in deployment.plan.layers:
            raise _Through(f"{taker.op_type} is done there")
        second = taker.name
        if where[second] != EIGHT:
            raise _Through(f"{second} has operands of 16 bits")
        _check(deployment, layer, deployment.plan.layers[second], node.output[0])
    except _Through as error:
        return Boundary(layer.node.name, second, relu, str(error))
    return Boundary(layer.node.name, second, relu)


def _taker(graph: Graph, name: str, takers: dict[str, list[NodeProto]]) -> NodeProto:
    if name in graph.outputs:
        raise _Through("the model gives it")
    found = takers.get(name, [])
    if len(found) != 1:
        raise _Through(f"{len(found)} nodes take it")
    return found[0]


def _check(deployment: Deployment, layer: Layer, after: Layer, name: str) -> None:
    graph = deployment.graph
    for one in (layer, after):
        if isinstance(one, Conv):
            raise _Through("a convolution's map is put together there")
        if channels(one, graph) is None or one.operands[0] in graph.tensors:
            raise _Through(f"the second operand of {one.node.name} is no constant matrix")
        if one.attributes.get("transA"):
            raise _Through(f"{one.node.name} takes it transposed")
        if graph.constant(one.operands[1]).dtype != np.float32:
            raise _Through(f"{one.node.name} is not in FP32")
    if after.operands[0] != name:
        raise _Through(f"{after.node.name} takes it as something else than its first operand")
    if deployment.numbers[layer.operands[1]].factors is not None:
        raise _Through("its columns have scales of their own")
    if layer.attributes.get("alpha", 1.0) != 1.0:
        raise _Through("its products have a factor")
    if layer.addend and deployment.bias(layer) is None:
        raise _Through(
            "its bias is added in FP32; with --biases acc the core could"
            if deployment.settings.biases == "fp32"
            else "what is added to it is not one constant for each column"
        )
    sums, scale = _scale(deployment, layer, after)
    if not ordinary(sums) or not SCALE_RANGE[0] <= scale <= SCALE_RANGE[1]:
        raise _Through("its scale leaves the core's range")


def _scale(deployment: Deployment, layer: Layer, after: Layer) -> tuple[float, int]:
    sums = deployment.sums_scale(layer)
    return sums, round(math.log2(sums) - math.log2(deployment.numbers[after.operands[0]].scale))


def scale_between(deployment: Deployment, layer: Layer, after: Layer) -> int:
    """The power of two between a product's sums and the codes of the next one's operand."""
    return _scale(deployment, layer, after)[1]
