"""A model deployed in 8 bits, and run on an engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..golden.engine import Engine
from . import arrays as given_arrays
from .dense import IntegerEngine, single_products
from .graph import Graph, load
from .host import Part, schedule
from .layers import Layer
from .numbers import KINDS, WIDE, Coded, Number, number, sums_values, to_wide, wide_sums
from .observe import Reference, observed
from .plan import EIGHT, SUMS, Node, Plan, Settings, make_plan
from .plan import WIDE as IN_16_BITS
from .records import Errors, NodeRecord, Operand, OutputRecord

Report = Callable[[str, int], None]
"""Is told the name of the node at work, and how many more products are done."""


def unheard(name: str, more: int) -> None:
    """A report that nobody reads."""


@dataclass
class Outcome:
    """What a run gave.

    Members
    -------
    outputs : dict of ndarray
        By name, of all samples.
    reference : dict of ndarray
        The same in FP32; empty if nothing was compared.
    nodes : list of NodeRecord
        Of all nodes in 8 or 16 bits.
    compared : list of OutputRecord
        Of all outputs; empty if nothing was compared.
    seconds : float
        Of the run in 8 bits, without FP32.
    """

    outputs: dict[str, Any]
    reference: dict[str, Any] = field(default_factory=dict)
    nodes: list[NodeRecord] = field(default_factory=list)
    compared: list[OutputRecord] = field(default_factory=list)
    seconds: float = 0.0


ROOM = 1
"""Binades above what the calibration set shows of activations: in 8 bits they become larger than in
FP32 now and then, and a format with 4 exponent bits has binades to spare below."""


class Deployment:
    """A model with a plan and a scale for each operand; `prepare` makes one.

    Members
    -------
    graph : Graph
    plan : Plan
    settings : Settings
    numbers : dict of Number
        By name of a tensor: how it becomes codes.
    """

    def __init__(
        self, graph: Graph, plan: Plan, settings: Settings, numbers: dict[str, Number]
    ) -> None:
        self.graph, self.plan, self.settings, self.numbers = graph, plan, settings, numbers
        self.steps = schedule(graph, plan.layers)
        self._where = {node.name: node.where for node in plan.nodes}
        self._weights: dict[str, Coded] = {}
        self._reference: Reference | None = None
        self._alone: dict[str, Part] = {}

    @property
    def nodes(self) -> list[Node]:
        """Where each node runs."""
        return self.plan.nodes

    def work(self, inputs: given_arrays.Arrays) -> float:
        """About how many products are computed for samples."""
        count = max((given_arrays.samples(array) for array in inputs.values()), default=1)
        macs = sum(node.macs for node in self.nodes if node.where == EIGHT)
        return macs * count / self.plan.samples

    def run(
        self,
        inputs: given_arrays.Arrays,
        engine: Engine,
        *,
        batch: int | None = None,
        compare: bool = True,
        report: Report = unheard,
    ) -> Outcome:
        """Run the model on samples.

        Parameters
        ----------
        inputs : mapping of ndarray
            By name of the model's inputs.
        engine : Engine
            Computes the products, but for INT8, which has an engine of its own.
        batch : int, optional
            Samples along the first axis at a time; see `hfp8_hw.models.arrays.batches`.
        compare : bool
            Whether to run it in FP32 too, and to compare.
        report : callable

        Raises
        ------
        ParameterError
            As `hfp8_hw.models.arrays.checked`; if onnxruntime cannot run the model on these; and
            what the engine does not allow.
        """
        whole = given_arrays.checked(self.graph, inputs)
        engine, records = self.engine(engine), self.records()
        outcome = Outcome({}, nodes=list(records.values()))
        parts: list[dict[str, Any]] = []
        wanted: list[dict[str, Any]] = []
        if compare:
            self._reference = self._reference or Reference(self.graph)
            outcome.compared = [OutputRecord(n, Errors()) for n in self.graph.outputs]
        for one in given_arrays.batches(self.graph, whole, batch):
            reference = self._reference.run(one) if compare and self._reference else None
            start = time.perf_counter()
            values = self._batch(dict(one), engine, records, reference, report)
            outcome.seconds += time.perf_counter() - start
            parts.append({name: self._value(name, values) for name in self.graph.outputs})
            if reference is not None:
                wanted.append({name: reference[name] for name in self.graph.outputs})
                for record in outcome.compared:
                    record.add(parts[-1][record.name], reference[record.name])
        outcome.outputs, outcome.reference = _joined(parts), _joined(wanted)
        return outcome

    def _batch(
        self, values: dict[str, Any], engine: Engine, records: dict[str, NodeRecord],
        reference: dict[str, Any] | None, report: Report,
    ) -> dict[str, Any]:  # fmt: skip
        for step in self.steps:
            if isinstance(step, Part):
                values |= step.run(values)
                continue
            record = records[step.name]
            y = self.compute(step.name, values, engine, record, report)
            name = step.output[0]
            if reference is not None:
                self._compare(record, y, values, reference[name])
            values[name] = y
        return values

    def _compare(
        self, record: NodeRecord, y: NDArray[Any], values: dict[str, Any], reference: Any
    ) -> None:
        """A layer's output and operands against FP32."""
        layer = self.plan.layers[record.name]
        record.errors, record.own = record.errors or Errors(), record.own or Errors()
        if np.shape(reference) == y.shape:
            record.errors.add(y, reference)
        record.own.add(y, self._part(layer).run(values)[layer.node.output[0]])
        for operand, name in zip((record.a, record.b), layer.operands, strict=True):
            if operand is None or (operand.errors and name in self._weights):
                continue
            operand.errors = operand.errors or Errors()
            codes = self._coded(name, values).codes
            operand.errors.add(self.numbers[name].values(codes), self._value(name, values))

    def compute(
        self, name: str, values: dict[str, Any], engine: Engine, record: NodeRecord,
        report: Report = unheard,
    ) -> NDArray[Any]:  # fmt: skip
        """What one of the plan's layers gives in 8 or 16 bits.

        Parameters
        ----------
        name : str
            Of the node.
        values : dict
            All that is known, by name of the tensor.
        record : NodeRecord
            Is added to.
        """
        layer, start = self.plan.layers[name], time.perf_counter()
        if self._where[name] == IN_16_BITS:
            y = self._in_16_bits(layer, values, record)
        else:
            y = self._on_engine(layer, values, engine, record, report)
        record.seconds += time.perf_counter() - start
        record.overflown += int(y.size - np.isfinite(y).sum())
        return y

    def records(self) -> dict[str, NodeRecord]:
        """An empty record for each of the plan's layers."""
        return {
            node.name: NodeRecord(node.name, node.op, node.where)
            for node in self.nodes if node.name in self.plan.layers
        }  # fmt: skip

    def engine(self, engine: Engine) -> Engine:
        """The engine for the format: INT8 has one of its own."""
        return IntegerEngine() if self.settings.format == "int8" else engine

    def _on_engine(
        self, layer: Layer, values: dict[str, Any], engine: Engine, record: NodeRecord,
        report: Report,
    ) -> NDArray[Any]:  # fmt: skip
        names = layer.operands
        coded = [self._coded(name, values) for name in names]
        numbers = [self.numbers[name] for name in names]
        record.a = record.a or Operand(numbers[0].kind, numbers[0].scale)
        record.b = record.b or Operand(numbers[1].kind, numbers[1].scale)
        for operand, name, one in zip((record.a, record.b), names, coded, strict=True):
            # A weight is the same in every batch.
            if not operand.elements or name not in self._weights:
                operand.add(one)
        x, w = (one.codes for one in coded)
        sums = SUMS[self.settings.sums]
        job = layer.job(x, w, numbers[0].kind, sums)
        report(record.name, 0)
        found = engine.run(job, lambda more: report(record.name, more))
        record.macs += job.macs
        products = sums_values(found, sums.acc) * np.float32(numbers[0].scale * numbers[1].scale)
        dtype = self._value(names[0], values).dtype
        return layer.output(products, x, w, self._addend(layer, values)).astype(dtype, copy=False)

    def _coded(self, name: str, values: dict[str, Any]) -> Coded:
        if name not in self.graph.tensors:
            return self.numbers[name].code(values[name])
        if name not in self._weights:
            self._weights[name] = self.numbers[name].code(self.graph.constant(name))
        return self._weights[name]

    def _value(self, name: str, values: dict[str, Any]) -> NDArray[Any]:
        return self.graph.constant(name) if name in self.graph.tensors else values[name]

    def _addend(self, layer: Layer, values: dict[str, Any]) -> NDArray[Any] | None:
        return self._value(layer.addend, values).astype(np.float32) if layer.addend else None

    def _in_16_bits(self, layer: Layer, values: dict[str, Any], record: NodeRecord) -> NDArray[Any]:
        """Operands rounded to (1,6,9), and sums, which are FP32 before that."""
        x, w = (to_wide(self._value(name, values)) for name in layer.operands)
        job = layer.job(x, w, WIDE, SUMS[self.settings.sums])
        record.macs += job.macs
        products = wide_sums(single_products(job))
        dtype = self._value(layer.operands[0], values).dtype
        return layer.output(products, x, w, self._addend(layer, values)).astype(dtype, copy=False)

    def _part(self, layer: Layer) -> Part:
        """The layer's node by itself, in FP32."""
        node = layer.node
        if node.name not in self._alone:
            inputs = [name for name in dict.fromkeys(node.input)
                      if name and name not in self.graph.tensors]  # fmt: skip
            self._alone[node.name] = Part(self.graph, [node], inputs, [node.output[0]])
        return self._alone[node.name]


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The outputs of all batches, along the first axis; of sequences, all that is in them."""
    if len(parts) == 1:
        return parts[0]
    found: dict[str, Any] = {}
    for name in parts[0] if parts else ():
        every = [part[name] for part in parts]
        if isinstance(every[0], list):
            found[name] = [one for each in every for one in each]
        else:
            found[name] = np.concatenate(every) if np.ndim(every[0]) else np.stack(every)
    return found


def prepare(
    path: Path | str,
    calibration: given_arrays.Arrays,
    settings: Settings | None = None,
    *,
    batch: int | None = None,
    what: str = "calibrate",
    fold: bool = True,
) -> Deployment:
    """Read a model, and choose where its nodes run and the scales of its operands.

    Parameters
    ----------
    path : Path
        An ONNX file.
    calibration : mapping of ndarray
        Samples of its inputs, by name. Scales of activations come from the largest magnitudes that
        these give in FP32, with `ROOM` above them, those of weights from the weights.
    batch : int, optional
        Samples at a time, as in `Deployment.run`.
    what : str
        What the user calls the calibration set.
    fold : bool
        As in `hfp8_hw.models.graph.load`.

    Raises
    ------
    ParameterError
        As `hfp8_hw.models.graph.load`, `hfp8_hw.models.arrays.checked` and
        `hfp8_hw.models.plan.make_plan`.
    """
    chosen = settings or Settings()
    graph = load(Path(path), fold=fold)
    samples = given_arrays.checked(graph, calibration, what)
    reference = Reference(graph)
    seen = observed(reference, given_arrays.batches(graph, samples, batch))
    plan = make_plan(graph, chosen, seen.facts)
    plan.samples = seen.samples
    kind = KINDS[chosen.format]
    numbers = {
        name: number(kind, most, 0 if name in graph.tensors else ROOM)
        for name, most in seen.most.items()
    }
    deployment = Deployment(graph, plan, chosen, numbers)
    deployment._reference = reference
    return deployment
