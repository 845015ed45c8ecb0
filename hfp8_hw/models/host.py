"""What is left of a model between its layers: parts of it, each in onnxruntime."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from onnx import NodeProto, ValueInfoProto

from ..errors import ParameterError
from .graph import Graph, needed, session, type_of


@dataclass
class Part:
    """Some nodes that run in one go.

    Members
    -------
    nodes : list of NodeProto
    inputs, outputs : list of str
        Names of the values that it takes and gives; constants are in it.
    """

    graph: Graph
    nodes: list[NodeProto]
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    _sessions: dict[Any, onnxruntime.InferenceSession] = field(default_factory=dict)

    def run(self, values: dict[str, Any]) -> dict[str, Any]:
        """What its nodes give, by name; ``values`` are all that there are.

        Raises
        ------
        ParameterError
            If onnxruntime cannot run it.
        """
        given = {name: values[name] for name in self.inputs}
        key = tuple((name, _kind(value)) for name, value in given.items())
        try:
            if key not in self._sessions:
                self._sessions[key] = self._session(given)
            found = self._sessions[key].run(self.outputs, given)
        except ParameterError:
            raise
        except Exception as error:  # onnxruntime's errors have no common class.
            text = " ".join(str(error).split())[:160]
            raise ParameterError(
                f"model={str(self.graph.path)!r} is not allowed: its nodes from "
                f"{self.nodes[0].name!r} to {self.nodes[-1].name!r} do not run by themselves "
                f"({text})"
            ) from None
        return dict(zip(self.outputs, found, strict=True))

    def _session(self, given: dict[str, Any]) -> onnxruntime.InferenceSession:
        model = self.graph.part(self.nodes, self.outputs)
        for name, value in given.items():
            model.graph.input.append(ValueInfoProto(name=name, type=type_of(value)))
        return session(model)


def _kind(value: Any) -> Any:
    if isinstance(value, list):
        return ("list", _kind(value[0]) if value else None)
    array = np.asarray(value)
    return array.dtype.str, array.ndim


Step: TypeAlias = Part | Any
"""A part, or a node that is no part of one."""


def schedule(graph: Graph, apart: Collection[str]) -> list[Step]:
    """The model's nodes in steps: those named ``apart`` each by itself, and between them parts that
    are as large as they can be."""
    have = {one.name for one in graph.inputs} | set(graph.tensors)
    left, steps = graph.nodes, []
    while left:
        taken: list[NodeProto] = []
        rest: list[NodeProto] = []
        for node in left:
            if node.name not in apart and all(name in have for name in needed(node)):
                taken.append(node)
                have.update(node.output)
            else:
                rest.append(node)
        if taken:
            steps.append(_part(graph, taken))
        ready = [n for n in rest if n.name in apart and all(name in have for name in needed(n))]
        if not ready and not taken:
            raise ParameterError(
                f"model={str(graph.path)!r} is not allowed: node {rest[0].name!r} takes what no "
                "node before it gives"
            )
        for node in ready:
            steps.append(node)
            have.update(node.output)
        names = {node.name for node in ready}
        left = [node for node in rest if node.name not in names]
    return steps


def _part(graph: Graph, nodes: list[NodeProto]) -> Part:
    own = {name for node in nodes for name in node.output if name}
    inside = {node.name for node in nodes}
    used = set(graph.outputs)
    used.update(n for node in graph.nodes if node.name not in inside for n in needed(node))
    inputs = dict.fromkeys(
        name for node in nodes for name in needed(node)
        if name not in own and name not in graph.tensors
    )  # fmt: skip
    outputs = [n for node in nodes for n in node.output if n in used]
    return Part(graph, nodes, list(inputs), outputs)
