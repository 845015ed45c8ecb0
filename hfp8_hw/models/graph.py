"""A model as it is run: read, checked, and simplified by onnxruntime's own optimizer."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ..cores import cores
from ..errors import ParameterError


@dataclass
class Graph:
    """A model whose nodes all have names, each its own.

    Members
    -------
    path : Path
    model : ModelProto
    """

    path: Path
    model: ModelProto
    _constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def nodes(self) -> list[NodeProto]:
        """In the order in which they can run."""
        return list(self.model.graph.node)

    @cached_property
    def tensors(self) -> dict[str, TensorProto]:
        """The constants, by name."""
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    @cached_property
    def inputs(self) -> list[ValueInfoProto]:
        """What the user gives."""
        return [one for one in self.model.graph.input if one.name not in self.tensors]

    @property
    def outputs(self) -> list[str]:
        """Names of what the model gives."""
        return [one.name for one in self.model.graph.output]

    def constant(self, name: str) -> NDArray[Any]:
        """A constant's values."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.to_array(self.tensors[name])
        return self._constants[name]

    def part(self, nodes: list[NodeProto], outputs: list[str]) -> ModelProto:
        """A model of some nodes, with the constants that they need and without inputs: `onnx` wants
        their types, which whoever runs it adds."""
        used = {name for node in nodes for name in needed(node)}
        graph = helper.make_graph(
            nodes, "part", [], [ValueInfoProto(name=name) for name in outputs],
            [tensor for name, tensor in self.tensors.items() if name in used],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=list(self.model.opset_import),
                                  functions=list(self.model.functions))  # fmt: skip
        model.ir_version = self.model.ir_version
        return model


def needed(node: NodeProto) -> Iterator[str]:
    """Names that a node takes from outside, those of its subgraphs included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            own = {one.name for one in (*graph.input, *graph.initializer)}
            for inner in graph.node:
                yield from (name for name in needed(inner) if name not in own)
                own.update(inner.output)
            yield from (one.name for one in graph.output if one.name not in own)


def session(
    model: ModelProto | Path, without: Collection[str] = (), **options: Any
) -> onnxruntime.InferenceSession:
    """A model in onnxruntime on the processor, which says nothing but errors.

    ``without`` are optimizers that are left out, ``options`` members of
    `onnxruntime.SessionOptions`.
    """
    chosen = onnxruntime.SessionOptions()
    chosen.log_severity_level = 4
    chosen.intra_op_num_threads = cores()
    # There are many sessions, and threads that wait busily for work take it from each other.
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, value in options.items():
        setattr(chosen, name, value)
    given = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(
        given, chosen, providers=["CPUExecutionProvider"], disabled_optimizers=list(without)
    )


def load(path: Path, *, fold: bool = True) -> Graph:
    """Read a model.

    Parameters
    ----------
    fold : bool
        Have onnxruntime fold batch normalization into weights. It always folds constants; the
        nodes stay standard ones. A model that was re-tuned keeps its batch normalization, whose
        statistics hold for the weights as they are.

    Raises
    ------
    ParameterError
        For a file that is none, or that onnxruntime cannot run.
    """
    refusal = f"model={str(path)!r} is not allowed"
    if path.is_dir():
        raise ParameterError(f"{refusal}: a file, and it is a folder")
    if not path.is_file():
        raise ParameterError(f"{refusal}: there is no such file")
    try:
        model = onnx.load(path)
    except OSError as error:
        raise ParameterError(f"model={str(path)!r} cannot be read: {error.strerror}") from None
    except Exception as error:
        # protobuf, and onnx where data lies beside the file, have many words.
        raise ParameterError(f"{refusal}: not an ONNX file ({_line(error)})") from None
    if not model.graph.node or not model.opset_import:
        raise ParameterError(f"{refusal}: not an ONNX file with nodes")
    # Constants that are listed as inputs too could be given anew, and would not be folded.
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in held]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    try:
        _name_apart(model)
        retuned = any(one.key == RETUNED for one in model.metadata_props)
        model = _folded(model, fold=fold and not retuned)
    except Exception as error:
        # onnxruntime's errors have no common class.
        opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
        old = 0 < opset < _OLDEST_OPSET
        why = f"its opset {opset} is older than {_OLDEST_OPSET}; " if old else ""
        raise ParameterError(
            f"{refusal}: onnxruntime cannot run it ({why}{_line(error)})"
        ) from None
    _name(model)
    return Graph(path, model)


def data_files(path: Path) -> list[Path]:
    """Files beside a model that hold its tensors; none of what is no model."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:
        return []  # `load` says what is wrong.
    places = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return [path.parent / place for place in sorted(places)]


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:160] or type(error).__name__


RETUNED = "hfp8.retuned"
"""The property of a model whose statistics of batch normalization `retune` wrote."""

_OLDEST_OPSET = 7
"""The first version of ONNX's operators all of which onnxruntime runs."""

_NORM_FUSIONS = ("ConvBNFusion", "MatMul_BatchNormalization_Fusion")
"""onnxruntime's names for what puts batch normalization into weights."""


def _folded(model: ModelProto, *, fold: bool) -> ModelProto:
    """By the basic level: constants, batch normalization into convolutions, what does nothing. The
    levels above it put nodes of their own in place of standard ones."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        session(
            model, () if fold else _NORM_FUSIONS, optimized_model_filepath=str(path),
            graph_optimization_level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
        )  # fmt: skip
        found = onnx.load(path)
    del found.metadata_props[:]
    found.metadata_props.extend(model.metadata_props)
    return found


def _name_apart(model: ModelProto) -> None:
    """Take the names of nodes that another one before them has, which onnxruntime does not take."""
    seen: set[str] = set()
    for node in model.graph.node:
        if node.name in seen:
            node.name = ""
        seen.add(node.name)


def _name(model: ModelProto) -> None:
    """Give each node a name of its own: its old one, or its operator and a number that no node
    has."""
    _name_apart(model)
    seen = {node.name for node in model.graph.node}
    numbers: dict[str, int] = {}
    for node in model.graph.node:
        name = node.name
        while not name:
            numbers[node.op_type] = numbers.get(node.op_type, 0) + 1
            name = f"{node.op_type}_{numbers[node.op_type]}"
            name = "" if name in seen else name
        node.name = name
        seen.add(name)


def unused_name(model: ModelProto, wanted: str) -> str:
    """A name for a value that the model does not have: the one wanted, or it and a number."""
    graph = model.graph
    used = {one.name for one in (*graph.input, *graph.output, *graph.initializer)}
    for node in graph.node:
        used.update(needed(node), node.output)
    name, number = wanted, 1
    while name in used:
        number += 1
        name = f"{wanted}.{number}"
    return name


def drop_unused(model: ModelProto) -> None:
    """Take out constants that nothing takes."""
    used = {one.name for one in model.graph.output}
    for node in model.graph.node:
        used.update(needed(node))
    kept = [one for one in model.graph.initializer if one.name in used]
    if len(kept) < len(model.graph.initializer):
        kept = [TensorProto.FromString(one.SerializeToString()) for one in kept]
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)


def type_of(value: Any) -> onnx.TypeProto:
    """The ONNX type of what onnxruntime gave: an array, or a list of arrays; sizes are left open.

    Raises
    ------
    ParameterError
        For an empty list, which has no type.
    """
    if isinstance(value, list):
        if not value:
            raise ParameterError("an empty sequence between two nodes has no type")
        return helper.make_sequence_type_proto(type_of(value[0]))
    array = np.asarray(value)
    kind = TensorProto.STRING if array.dtype.kind in "OUS" else helper.np_dtype_to_tensor_dtype(
        array.dtype
    )  # fmt: skip
    return helper.make_tensor_type_proto(kind, [None] * array.ndim)
