"""Which nodes run in 8 bits, which in 16, which on the host, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from onnx import NodeProto

from ..errors import ParameterError, check_choice
from ..golden.engine import Sums
from .graph import Graph
from .layers import KINDS, Layer, Unsuitable, layer
from .numbers import KINDS as FORMATS

EIGHT, WIDE, HOST = "hfp8", "fp16", "host"
"""Where a node runs: on the engine; on the host with operands of 16 bits; on the host in FP32."""

NO_PRODUCT = "no product"
"""Why most nodes stay on the host."""

COMPOUND = ("Conv", "Gemm", "MatMul", "Attention", "Einsum", "LSTM", "GRU", "RNN")
"""What is in the names of operators with products, of which those beside `products` stay on the
host."""

SUMS = {"chunked": Sums(), "exact": Sums(semantics="exact")}


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Members
    -------
    format : str
        ``HFP8``, ``e4m3``, ``e5m2`` or ``int8``: of weights and activations.
    first_last : str
        ``hfp8`` or ``fp16``: the first and the last product of the model.
    keep : tuple of str
        Names of nodes that stay on the host, in FP32.
    sums : str
        ``chunked`` or ``exact``, in DLFLOAT16; INT8 has exact integers.
    scales : str
        Of weights: one for each ``tensor``, or for each ``channel`` of a product's output.
    biases : str
        ``fp32``: added on the host to what sums stand for. ``acc``: one constant for each channel
        is rounded to DLFLOAT16, added to the sum and the result rounded again, as the core's
        epilogue does; others as with ``fp32``. Not of INT8.

    Raises
    ------
    ParameterError
        For a value that is not allowed.
    """

    format: str = "HFP8"
    first_last: str = "hfp8"
    keep: tuple[str, ...] = ()
    sums: str = "chunked"
    scales: str = "tensor"
    biases: str = "fp32"

    def __post_init__(self) -> None:
        check_choice("format", self.format, FORMATS)
        check_choice("first-last", self.first_last, ("hfp8", "fp16"))
        check_choice("sums", self.sums, SUMS)
        check_choice("scales", self.scales, ("tensor", "channel"))
        check_choice("biases", self.biases, ("fp32", "acc"))
        if self.format == "int8" and self.biases != "fp32":
            raise ParameterError(
                f"biases={self.biases!r} is not allowed for format='int8', whose sums are integers"
            )
        if self.scales == "channel" and self.biases != "fp32":
            raise ParameterError(
                f"biases={self.biases!r} is not allowed for scales='channel': a bias of sums has "
                "one scale"
            )


@dataclass(frozen=True)
class Tensor:
    """What a value was when the model ran on samples; of a constant also whether it is finite."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    finite: bool = True


@dataclass(frozen=True)
class Node:
    """Where a node runs.

    Members
    -------
    name, op : str
    where : str
        One of `EIGHT`, `WIDE`, `HOST`.
    macs : int
        Products for the samples that the plan was made with; 0 of other operators.
    why : str
        Why it is not on the engine; empty if it is.
    shape : tuple of int
        Of its first output.
    """

    name: str
    op: str
    where: str
    macs: int = 0
    why: str = ""
    shape: tuple[int, ...] = ()


@dataclass
class Plan:
    """Where all nodes run.

    Members
    -------
    nodes : list of Node
    layers : dict of Layer
        Those that do not stay on the host in FP32, by name of the node.
    samples : int
        Those that the nodes' ``macs`` are of.
    """

    nodes: list[Node] = field(default_factory=list)
    layers: dict[str, Layer] = field(default_factory=dict)
    samples: int = 1

    def macs(self, where: str) -> int:
        """Products of all nodes that run there."""
        return sum(node.macs for node in self.nodes if node.where == where)

    def channels(self, graph: Graph) -> dict[str, int]:
        """The weights that can have a scale for each channel, and the axis of their channels:
        constants that are second operands, and of one axis wherever they are used."""
        found: dict[str, set[int | None]] = {}
        for one in self.layers.values():
            first, second = one.operands
            found.setdefault(first, set()).add(None)
            if second in graph.tensors:
                found.setdefault(second, set()).add(one.channels(graph.constant(second).shape))
        return {n: axis for n, (axis, *more) in found.items() if axis is not None and not more}

    def of(
        self, graph: Graph, samples: int, runs: Iterable[tuple[int, Mapping[str, Tensor]]]
    ) -> Plan:
        """The same plan with the products of other samples.

        Parameters
        ----------
        samples : int
        runs : iterable
            How often the model runs on arrays of some shapes, and the facts that `make_plan` takes
            of one of these runs. Nodes have the shapes of the first.
        """
        macs, shapes = Counter[str](), dict[str, tuple[int, ...]]()
        for count, facts in runs:
            for node in products(graph):
                macs[node.name] += count * _macs(node, facts)
                shapes.setdefault(node.name, facts[node.output[0]].shape)
        nodes = [
            replace(node, macs=macs[node.name] if node.macs else 0,
                    shape=shapes.get(node.name, node.shape))
            for node in self.nodes
        ]  # fmt: skip
        return Plan(nodes, self.layers, samples)


def products(graph: Graph) -> list[NodeProto]:
    """The nodes that may run in 8 bits, by their operators."""
    return [
        node for node in graph.nodes if node.op_type in KINDS and node.domain in ("", "ai.onnx")
    ]


def make_plan(graph: Graph, settings: Settings, facts: Mapping[str, Tensor]) -> Plan:
    """Say where each node runs.

    Parameters
    ----------
    facts : mapping
        Of operands and outputs of the `products`, by name.

    Raises
    ------
    ParameterError
        For a node in ``settings.keep`` that the model does not have or that could not run in 8
        bits anyway, and for a model without any that could.
    """
    able: dict[str, Layer] = {}
    why: dict[str, str] = {}
    for node in products(graph):
        try:
            able[node.name] = _able(node, facts)
        except Unsuitable as error:
            why[node.name] = str(error)
    if not able:
        others = {n.name: _reason(n) for n in graph.nodes if n.name not in why}
        reasons = [*why.items(), *((n, r) for n, r in others.items() if r != NO_PRODUCT)]
        more = f"; {reasons[0][0]}: {reasons[0][1]}" if reasons else ""
        raise ParameterError(
            f"model={str(graph.path)!r} is not allowed: it has no weights to round, no "
            f"{', '.join(KINDS[:-1])} or {KINDS[-1]} that could run in 8 bits{more}"
        )
    for name in settings.keep:
        if name not in able:
            known = ", ".join(list(able)[:8]) + (", ..." if len(able) > 8 else "")
            raise ParameterError(f"keep={name!r} is not allowed: a node that would run in 8 bits, "
                                 f"of {known}")  # fmt: skip
    order = [name for name in able if name not in settings.keep] or list(able)
    ends = {order[0], order[-1]} if settings.first_last == "fp16" else set()
    plan = Plan()
    for node in graph.nodes:
        shape = facts[node.output[0]].shape if node.output[0] in facts else ()
        where, reason = HOST, why.get(node.name, "")
        if node.name in settings.keep:
            reason = "kept"
        elif node.name in able:
            where = WIDE if node.name in ends else EIGHT
            reason = "first or last" if node.name in ends else ""
            plan.layers[node.name] = able[node.name]
        elif not reason:
            reason = _reason(node)
        macs = _macs(node, facts) if node.name in able or node.name in why else 0
        plan.nodes.append(Node(node.name, node.op_type, where, macs, reason, shape))
    return plan


def _able(node: NodeProto, facts: Mapping[str, Tensor]) -> Layer:
    tensors = [facts.get(name) for name in node.input[:2]]
    if len(tensors) < 2 or tensors[0] is None or tensors[1] is None:
        raise Unsuitable("did not run")
    for tensor in tensors:
        if tensor is not None and tensor.dtype not in (np.float32, np.float16, np.float64):
            raise Unsuitable(f"a product of {tensor.dtype}")
    for tensor in tensors:
        if tensor is not None and not tensor.finite:
            raise Unsuitable("a constant operand with NaN or infinities")
    return layer(node, tensors[0].shape, tensors[1].shape)


def _reason(node: NodeProto) -> str:
    inner = sorted({kind for kind in _inside(node) if kind in KINDS})
    if inner:
        return f"{', '.join(inner)} in a subgraph"
    if "Integer" in node.op_type or node.op_type.startswith("QLinear"):
        return f"{node.op_type} is quantized already: give the model as it was in FP32"
    compound = any(name in node.op_type for name in COMPOUND)
    return "its products are not taken apart" if compound else NO_PRODUCT


def _inside(node: NodeProto) -> list[str]:
    found = []
    for attribute in node.attribute:
        for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            for inner in graph.node:
                found += [inner.op_type, *_inside(inner)]
    return found


def _macs(node: NodeProto, facts: Mapping[str, Tensor]) -> int:
    """Products: those of an element of the output, times its elements."""
    x, w, y = (facts.get(name) for name in (*node.input[:2], node.output[0]))
    if x is None or w is None or y is None:
        return 0
    if node.op_type == "Conv":
        depth = int(np.prod(w.shape[1:]))
    elif node.op_type == "Gemm":
        turned = any(a.name == "transA" and a.i for a in node.attribute)
        depth = x.shape[0] if turned else x.shape[1]
    else:
        depth = x.shape[-1] if x.shape else 1
    return int(np.prod(y.shape, dtype=np.int64)) * depth
