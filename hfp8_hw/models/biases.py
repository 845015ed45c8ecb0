"""Biases moved so that the products of a deployed model have the means that they have in FP32.

A sum of codes is off by rounding: partly at random, partly by an amount that is the same for all
samples, as weights are rounded once. That part, the mean of the error of each channel, is taken
off at the channel's bias. Where a batch normalization was folded into a convolution, it is what
estimating its mean anew gives. It takes no gradients and no labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from ..golden.engine import Engine
from . import arrays as given_arrays
from .deployment import Deployment, Report, unheard
from .graph import Graph, drop_unused, unused_name
from .host import Part
from .layers import Conv, Layer, MatMul


def with_biases(
    deployment: Deployment,
    samples: given_arrays.Arrays,
    engine: Engine,
    *,
    batch: int | None = None,
    report: Report = unheard,
) -> tuple[ModelProto, int]:
    """The model of a deployment with other biases, and how many products have them.

    Products are taken in order, each with all that come before moved already, and a channel's mean
    is that over all samples and places. Products of two values that are both no constants are left
    as they are. In FP32 the model that comes out is further from the first one than that is in 8
    bits.

    Parameters
    ----------
    samples : mapping of ndarray
        Of the model's inputs, by name. All of them are held in memory at once.
    batch : int, optional
        Samples at a time, as in `Deployment.run`.

    Raises
    ------
    ParameterError
        As `Deployment.run`.
    """
    graph = deployment.graph
    whole = given_arrays.checked(graph, samples)
    records, engine = deployment.records(), deployment.engine(engine)
    wanted: list[dict[str, Any]] = []
    values: list[dict[str, Any]] = []
    for one in given_arrays.batches(graph, whole, batch):
        wanted.append(deployment.reference.run(one))
        values.append(dict(one))
    shifts: dict[str, NDArray[Any]] = {}
    for step in deployment.steps:
        if isinstance(step, Part):
            for held in values:
                held |= step.run(held)
            continue
        layer, name = deployment.plan.layers[step.name], step.output[0]
        record = records[step.name]
        found = [deployment.compute(step.name, held, engine, record, report) for held in values]
        if movable(layer, graph):
            axis = _axis(layer, graph)
            shift = _shift(axis, found, [fp32[name] for fp32 in wanted])
            shifts[step.name] = shift
            found = [y + _spread(axis, shift, y) for y in found]
        for held, y in zip(values, found, strict=True):
            held[name] = y
        for fp32 in wanted:
            fp32.pop(name, None)
    return moved(graph, deployment.plan.layers, shifts), len(shifts)


def movable(layer: Layer, graph: Graph) -> bool:
    """Whether a product has channels of which each can have a bias: its weights and its bias are
    constants."""
    constant = layer.operands[1] in graph.tensors
    return constant and (not layer.addend or layer.addend in graph.tensors)


def _axis(layer: Layer, graph: Graph) -> int | None:
    """Along which the output has its channels; None of a product with a vector, which has one."""
    if isinstance(layer, Conv):
        return 1
    vector = isinstance(layer, MatMul) and graph.constant(layer.operands[1]).ndim == 1
    return None if vector else -1


def _shift(axis: int | None, found: list[Any], wanted: list[Any]) -> NDArray[np.float32]:
    """What is missing to the mean of each channel, (channels,) or (). Outputs that have another
    shape than in FP32 do not count."""
    count = 0
    total = np.zeros(() if axis is None else found[0].shape[axis])
    for y, fp32 in zip(found, wanted, strict=True):
        if y.shape != fp32.shape or not y.size:
            continue
        with np.errstate(invalid="ignore"):
            missing = fp32.astype(np.float64) - y
        missing = np.where(np.isfinite(missing), missing, 0)
        rows = missing.reshape(1, -1) if axis is None else np.moveaxis(missing, axis, 0)
        rows = rows.reshape(len(rows), -1)
        total, count = total + rows.sum(1).reshape(total.shape), count + rows.shape[1]
    return np.asarray(total / max(1, count), np.float32)


def _spread(axis: int | None, shift: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """In the shape in which it is added to an output."""
    if axis is None:
        return shift.astype(y.dtype)
    return np.expand_dims(shift, tuple(range(1, y.ndim - axis % y.ndim))).astype(y.dtype)


def moved(
    graph: Graph, layers: dict[str, Layer], shifts: dict[str, NDArray[np.float32]]
) -> ModelProto:
    """The model with these added to the outputs of its products, by name of the node."""
    model = ModelProto()
    model.CopyFrom(graph.model)
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        nodes.append(node)
        if node.name not in shifts:
            continue
        layer, shift = layers[node.name], shifts[node.name]
        name = unused_name(model, f"{node.name}/moved")
        dtype = graph.constant(layer.operands[1]).dtype
        if node.op_type == "MatMul":
            # It has no bias: the sum of both is a node of its own.
            output = node.output[0]
            node.output[0] = unused_name(model, f"{name}/product")
            nodes.append(helper.make_node("Add", [node.output[0], name], [output], name=name))
            bias = shift
        else:
            beta = float(layer.attributes.get("beta", 1.0))
            held = graph.constant(layer.addend) if layer.addend else np.zeros(1, np.float32)
            # Without C its factor may be anything, 0 too.
            if node.op_type == "Gemm" and (not layer.addend or beta == 0):
                held, beta = np.zeros(1, np.float32), 1.0
                _without_beta(node)
            bias = held.astype(np.float32) + shift / np.float32(beta)
            del node.input[2:]
            node.input.append(name)
        model.graph.initializer.append(numpy_helper.from_array(bias.astype(dtype), name))
    kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    drop_unused(model)
    return model


def _without_beta(node: NodeProto) -> None:
    left = [one for one in node.attribute if one.name != "beta"]
    del node.attribute[:]
    node.attribute.extend(left)
