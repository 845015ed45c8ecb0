"""Statistics of batch normalization, estimated anew from samples in the arithmetic of a deployment.

Sums of rounded operands have other means and variances than those that a model was trained with.
No weight changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from ..errors import ParameterError
from ..golden.engine import Engine
from . import arrays as given_arrays
from .deployment import Deployment, Report, prepare, unheard
from .graph import RETUNED, Graph, drop_unused, unused_name
from .host import Part, schedule
from .plan import Settings

NORM = "BatchNormalization"


@dataclass(frozen=True)
class Retuned:
    """A node whose statistics were estimated anew.

    Members
    -------
    name : str
    shift : float
        How far a mean moved, in standard deviations as they were: the largest of all channels.
    spread : float
        Likewise, the new standard deviation to the old one, or its inverse where it is less.
    """

    name: str
    shift: float
    spread: float


def norms(graph: Graph) -> list[NodeProto]:
    """The nodes of batch normalization that have statistics among the model's constants."""
    return [
        node for node in graph.nodes
        if node.op_type == NORM and len([n for n in node.output if n]) == 1
        and all(name in graph.tensors for name in node.input[1:])
    ]  # fmt: skip


def retune(
    path: Path | str,
    samples: given_arrays.Arrays,
    engine: Engine,
    settings: Settings | None = None,
    *,
    batch: int | None = None,
    report: Report = unheard,
) -> tuple[ModelProto, list[Retuned]]:
    """The model with statistics that its layers have on samples, one layer after another.

    Each mean and variance is that of all samples and positions, in the arithmetic of ``settings``
    and with the new statistics of the layers before it.

    Parameters
    ----------
    path : Path
        An ONNX file.
    samples : mapping of ndarray
        By name of the model's inputs; they also give the scales.
    batch : int, optional
        Samples at a time, as in `hfp8_hw.models.Deployment.run`.

    Raises
    ------
    ParameterError
        For a model without batch normalization, and as `hfp8_hw.models.prepare`.
    """
    deployment = prepare(path, samples, settings, batch=batch, what="inputs", fold=False)
    graph = deployment.graph
    found = {node.name: node for node in norms(graph)}
    if not found:
        raise ParameterError(
            f"model={str(path)!r} is not allowed: it has no {NORM} with statistics; many tools "
            "fold them into the weights when they write a file. Moving biases (--what biases) does "
            "without"
        )
    whole = given_arrays.checked(graph, samples)
    every = [dict(one) for one in given_arrays.batches(graph, whole, batch)]
    model = ModelProto()
    model.CopyFrom(graph.model)
    changed = []
    records, engine = deployment.records(), deployment.engine(engine)
    for step in schedule(graph, {*found, *deployment.plan.layers}):
        if isinstance(step, Part):
            for values in every:
                values |= step.run(values)
        elif step.name in found:
            changed.append(_renormalize(deployment, step, every, model))
        else:
            for values in every:
                y = deployment.compute(step.name, values, engine, records[step.name], report)
                values[step.output[0]] = y
    return model, changed


def _renormalize(
    deployment: Deployment, node: NodeProto, every: list[dict[str, Any]], model: ModelProto
) -> Retuned:
    """Estimate a node's statistics, put them into the model, and normalize all batches by them."""
    name = node.input[0]
    count = 0
    total: NDArray[np.float64] | float = 0.0
    squares: NDArray[np.float64] | float = 0.0
    for values in every:
        x = _by_channel(values[name])
        count += x.shape[1]
        total = total + x.sum(1)
    if count < 2:
        raise ParameterError(
            f"inputs are not allowed: node {node.name!r} has {count} value of each channel in all "
            "of them, which has no variance; give more samples"
        )
    mean = np.asarray(total / count)
    for values in every:
        squares = squares + ((_by_channel(values[name]) - mean[:, None]) ** 2).sum(1)
    variance = np.asarray(squares / count)
    scale, bias, old_mean, old_variance = (
        deployment.graph.constant(n).astype(np.float64) for n in node.input[1:]
    )
    epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
    for values in every:
        x = values[name]
        axes = (-1, *[1] * (x.ndim - 2))
        factor = scale / np.sqrt(variance + epsilon)
        y = (x - mean.reshape(axes)) * factor.reshape(axes) + bias.reshape(axes)
        values[node.output[0]] = y.astype(x.dtype)
    _write(model, node, mean, variance, deployment.graph.constant(node.input[3]).dtype)
    deviation, before = np.sqrt(variance + epsilon), np.sqrt(old_variance + epsilon)
    ratio = deviation / before
    return Retuned(
        node.name,
        float((np.abs(mean - old_mean) / before).max(initial=0.0)),
        float(np.maximum(ratio, 1 / ratio).max(initial=1.0)),
    )


def _by_channel(x: NDArray[Any]) -> NDArray[np.float64]:
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)


def _write(
    model: ModelProto, node: NodeProto, mean: NDArray[Any], variance: NDArray[Any], dtype: Any
) -> None:
    """New constants for a node: others may use those that it had."""
    mine = next(one for one in model.graph.node if one.name == node.name)
    for place, values in ((3, mean), (4, variance)):
        what = "mean" if place == 3 else "variance"
        name = unused_name(model, f"{node.name}.{what}.retuned")
        model.graph.initializer.append(numpy_helper.from_array(values.astype(dtype), name))
        mine.input[place] = name
    drop_unused(model)
    if not any(one.key == RETUNED for one in model.metadata_props):
        model.metadata_props.add(key=RETUNED, value="statistics of batch normalization")
