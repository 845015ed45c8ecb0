"""A deployed model as an ONNX file, with its weights as codes and its scales."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper
from torch import Tensor, nn

from ... import __version__
from ...errors import ParameterError
from ...files import write_whole
from ...formats import parse_format
from ...golden import decode
from ..codes import to_numpy
from ..scheme import Arithmetic
from ..scheme.arithmetic import INT8
from ..scheme.layers import Layer
from . import onnx_nodes
from .layers import Deployed
from .onnx_nodes import DOMAIN, OPSET, TYPES
from .rounders import NODE, WIDE, Rounder
from .weights import Stored

TABLE = "hfp8_values_"
"""Begins the name of the table of a format's 256 values."""


def export(
    model: nn.Module,
    inputs: Sequence[Tensor],
    path: Path,
    *,
    names: Sequence[str] = ("input",),
    about: dict[str, Any] | None = None,
) -> ModelProto:
    """Write a deployed model as an ONNX file.

    Weights of 8 bits are tensors of codes. Of E4M3FN, E5M2 and INT8 they have ONNX's own types and
    a DequantizeLinear; of other formats they are UINT8 and indices of a table of 256 values.
    Weights of 16 bits are FP32 values, which all are (1,6,9) values. Activations and sums are
    rounded as the model rounds them: by QuantizeLinear and DequantizeLinear, or by a function of
    the file that consists of standard operators. Sums of products are the runtime's own FP32 sums.

    The entries ``hfp8.arithmetic``, ``hfp8.formats``, ``hfp8.weights``, ``hfp8.activations`` and
    ``hfp8.about`` of ``metadata_props`` are JSON.

    Parameters
    ----------
    model : Module
        What `deploy` gave, but for ``hfp8``.
    inputs : sequence of Tensor
        Such as the model takes; the first axis of each may have any length in the file, the others
        have the lengths given.
    path : Path
    names : sequence of str
        The inputs' names.
    about : dict, optional
        More to be kept, as JSON.

    Returns
    -------
    ModelProto
        What was written.

    Raises
    ------
    ParameterError
        For a model that is not deployed, or is in exact sums, which ONNX does not have.
    OSError
        If the file cannot be written.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, Layer)}
    if not layers or not all(isinstance(module, Deployed) for module in layers.values()):
        raise ParameterError(
            "model is not allowed: one that was deployed in hfp8-fast, e5m2, ocp or int8"
        )
    arith = next(iter(layers.values())).arith
    if arith.rounding != "RNE":
        raise ParameterError(f"rounding={arith.rounding!r} is not allowed in an ONNX file: RNE")
    graph = _traced(model, tuple(inputs), list(names))
    stored = {
        f"{name}.{each}" if name else each: one
        for name, module in layers.items() for each, one in module.stored.items()  # type: ignore[attr-defined]
    }  # fmt: skip
    kinds = _expand(graph, stored)
    for kind in sorted(kinds - TYPES.keys()):
        graph.functions.append(onnx_nodes.rounding_function(kind))
    _describe(graph, model, arith, stored, about or {})
    onnx.checker.check_model(graph)
    write_whole(path, graph.SerializeToString())
    return graph


@torch.no_grad()
def _traced(model: nn.Module, inputs: tuple[Tensor, ...], names: list[str]) -> ModelProto:
    """The graph as PyTorch traces it, with nodes that round and weights as FP32 values."""
    buffer, given = io.BytesIO(), model(*inputs)
    several = isinstance(given, tuple | list)
    outputs = [f"output_{k}" for k in range(len(given))] if several else ["output"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Not PyTorch's newer exporter: it needs one more package, and ten times as long.
        torch.onnx.export(
            model, inputs, buffer, dynamo=False, opset_version=OPSET, input_names=names,
            output_names=outputs, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE, custom_opsets={DOMAIN: 1},
            dynamic_axes={name: {0: "batch"} for name in [*names, *outputs]},
        )  # fmt: skip
    return onnx.load_from_string(buffer.getvalue())


def _expand(model: ModelProto, stored: dict[str, Stored]) -> set[str]:
    """Put standard nodes and calls in place of nodes that round, and codes in place of weights; the
    kinds that are rounded to."""
    graph, kinds, nodes = model.graph, set(), []
    for node in graph.node:
        if (node.domain, node.op_type) != (DOMAIN, NODE):
            nodes.append(node)
            continue
        kind = node.attribute[0].s.decode()
        kinds.add(kind)
        nodes += onnx_nodes.rounding_nodes(node, kind, _zero(kind))
    kept, first = [], []
    more: dict[str, TensorProto] = {}
    for one in graph.initializer:
        found = stored.get(one.name)
        if found is None or found.kind == WIDE:
            kept.append(one)
            continue
        given, made = _weight(one.name, found)
        more |= {tensor.name: tensor for tensor in given}
        first += made
        kinds |= {found.kind} & TYPES.keys()
    for kind in kinds & TYPES.keys():
        more[_zero(kind)] = onnx_nodes.coded(_zero(kind), np.zeros((), np.uint8), kind)
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*first, *nodes])
    graph.initializer.extend([*kept, *more.values()])
    return kinds


def _zero(kind: str) -> str:
    """The zero point of a kind, whose type says what it is quantized to."""
    return f"hfp8_zero_{kind}"


def _weight(name: str, weight: Stored) -> tuple[list[TensorProto], list[NodeProto]]:
    """The tensors of a weight, and the nodes that give its values under its own name."""
    codes = f"{name}.codes"
    given = [onnx_nodes.coded(codes, to_numpy(weight.codes), weight.kind)]
    scale = np.ones((), np.float32) if weight.scale is None else weight.scale.cpu().numpy()
    if weight.kind in TYPES:
        given.append(onnx_nodes.values(f"{name}.scale", scale))
        inputs = [codes, f"{name}.scale"]
        if weight.kind != INT8:
            inputs.append(_zero(weight.kind))
        return given, [helper.make_node("DequantizeLinear", inputs, [name], f"{name}.decode",
                                        **({"axis": 0} if scale.ndim else {}))]  # fmt: skip
    table = TABLE + weight.kind
    fmt = parse_format(weight.kind)
    given.append(onnx_nodes.values(table, decode(np.arange(256, dtype=np.uint8), fmt)))
    index, rows = f"{name}.index", name if weight.scale is None else f"{name}.unscaled"
    nodes = [
        helper.make_node("Cast", [codes], [index], f"{name}.cast", to=TensorProto.INT32),
        helper.make_node("Gather", [table, index], [rows], f"{name}.decode"),
    ]
    if weight.scale is not None:
        given.append(onnx_nodes.values(f"{name}.scale", scale))
        nodes.append(helper.make_node("Mul", [rows, f"{name}.scale"], [name], f"{name}.times"))
    return given, nodes


def _describe(model: ModelProto, net: nn.Module, arith: Arithmetic, stored: dict[str, Stored],
              about: dict[str, Any]) -> None:  # fmt: skip
    rounders = {
        name: {"kind": module.kind, "scale": None if module.scale is None else float(module.scale)}
        for name, module in net.named_modules() if isinstance(module, Rounder)
    }  # fmt: skip
    weights = {
        name: {"kind": one.kind, "scale": None if one.scale is None else one.scale.tolist(),
               "axis": 0 if one.scale is not None and one.scale.ndim else None}
        for name, one in stored.items()
    }  # fmt: skip
    kinds = {entry["kind"] for entry in (*rounders.values(), *weights.values())} - {INT8}
    facts = {
        "arithmetic": {"name": arith.name, "rounding": arith.rounding, "scaling": arith.scaling},
        "formats": {str(kind): parse_format(kind).to_dict() for kind in sorted(map(str, kinds))},
        "weights": weights,
        "activations": rounders,
        "about": {"hfp8-hw": __version__, **about},
    }
    sums = "(1,6,9), once" if arith.scaling == "none" else "not, but those of 16 bits to (1,6,9)"
    facts["sums"] = {"in": "binary32", "rounded to": sums}
    del model.metadata_props[:]
    helper.set_model_props(model, {f"hfp8.{k}": json.dumps(v) for k, v in facts.items()})
    model.producer_name, model.producer_version = "hfp8-hw", __version__
