"""The model in FP32: what its tensors are, how large they get, what its nodes give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto

from ..errors import ParameterError
from .arrays import cut, samples
from .graph import Graph, session
from .plan import Tensor, products


class Reference:
    """The whole model in FP32, in onnxruntime, which also gives the values within it that products
    take and give."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        inner = [name for node in products(graph) for name in (*node.input[:2], node.output[0])]
        given = {one.name for one in graph.inputs} | set(graph.tensors)
        self._inner = [n for n in dict.fromkeys(inner) if n not in given and n not in graph.outputs]
        model = ModelProto()
        model.CopyFrom(graph.model)
        model.graph.output.extend(ValueInfoProto(name=name) for name in self._inner)
        self._session = session(model)

    def run(self, batch: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """All outputs and inner values, and the inputs, by name.

        Raises
        ------
        ParameterError
            If onnxruntime cannot run the model on this batch.
        """
        names = [*self.graph.outputs, *self._inner]
        try:
            found = self._session.run(names, batch)
        except Exception as error:  # onnxruntime's errors have no common class.
            text = " ".join(str(error).split())[:160]
            shapes = ", ".join(f"{name} {np.shape(array)!r}" for name, array in batch.items())
            raise ParameterError(
                f"inputs are not allowed: the model does not run on {shapes} ({text})"
            ) from None
        return {**batch, **dict(zip(names, found, strict=True))}

    def check_batches(self, arrays: dict[str, Any], most: int | None) -> None:
        """Run one sample and two, where samples are given some at a time.

        Raises
        ------
        ParameterError
            For a model with outputs that do not come sample by sample along their first axis.
        """
        names = cut(self.graph, arrays, most)
        if not names:
            return
        few = [{k: v[:n] if k in names else v for k, v in arrays.items()} for n in (1, 2)]
        try:
            one, two = (self.run(some) for some in few)
        except ParameterError:
            return  # So few do not show it.
        for name in self.graph.outputs:
            if name in self.graph.tensors or (name in arrays and name not in names):
                continue
            shapes = [
                (len(found),) if isinstance(found, list) else np.shape(found)
                for found in (one[name], two[name])
            ]
            if not shapes[0] or shapes[1] != (2 * shapes[0][0], *shapes[0][1:]):
                raise ParameterError(
                    f"batch={most} is not allowed: output {name!r} has shape {shapes[0]!r} for one "
                    f"sample and {shapes[1]!r} for two, so that batches of it do not make a whole"
                )


class Observer:
    """What was seen of the operands of products, over batches.

    Members
    -------
    facts : dict of Tensor
        By name, of the first batch.
    most : dict of float
        By name, the largest finite magnitude of operands.
    samples : int
        Of the first batch.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.facts: dict[str, Tensor] = {}
        self.most: dict[str, float] = {}
        self.samples = 0

    def watch(self, values: dict[str, Any]) -> None:
        """Look at what `Reference.run` gave."""
        self.samples = self.samples or samples(self._graph, values)
        for node in products(self._graph):
            for name in (*node.input[:2], node.output[0]):
                array = self._graph.constant(name) if name in self._graph.tensors else values[name]
                if name not in self.facts:
                    finite = name not in self._graph.tensors or array.dtype.kind != "f" or bool(
                        np.isfinite(array).all()
                    )  # fmt: skip
                    self.facts[name] = Tensor(array.shape, array.dtype, finite)
            for name in node.input[:2]:
                constant = name in self._graph.tensors
                if constant and name in self.most:
                    continue
                array = self._graph.constant(name) if constant else values[name]
                self.most[name] = max(self.most.get(name, 0.0), largest(array))


def largest(array: NDArray[Any]) -> float:
    """The largest finite magnitude; 0 without any."""
    if array.dtype.kind != "f" or not array.size:
        return 0.0
    most = float(np.abs(array).max())
    if np.isfinite(most):
        return most
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def observed(reference: Reference, batches: Iterable[dict[str, Any]]) -> Observer:
    """Run batches in FP32 and watch."""
    observer = Observer(reference.graph)
    for batch in batches:
        observer.watch(reference.run(batch))
    return observer
