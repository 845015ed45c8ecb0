"""A model deployed in 8 bits, and run on an engine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..golden import add
from ..golden.engine import ChainEngine, Engine, ProductJob
from ..golden.engine.jobs import Progress
from . import arrays as given_arrays
from .chains.bias import bias_codes, spread
from .chains.boundaries import Boundary, boundaries
from .chains.linked import Linked
from .dense import IntegerEngine, single_products
from .graph import Graph, load
from .host import Part, schedule
from .layers import Layer
from .numbers import (
    KINDS,
    WIDE,
    Coded,
    Number,
    by_channel,
    number,
    scaled_sums,
    sums_values,
    wide_sums,
)  # fmt: skip
from .observe import Reference, observed
from .plan import EIGHT, SUMS, Node, Plan, Settings, make_plan
from .plan import WIDE as IN_16_BITS
from .records import Errors, NodeRecord, Operand, Outcome, OutputRecord

Report = Callable[[str, int], None]
"""Is told the name of the node at work, and how many more products are done."""


def unheard(name: str, more: int) -> None:
    """A report that nobody reads."""


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
    numbers, wide : dict of Number
        By name of a tensor: how it becomes codes of 8 bits, and of 16.
    notes : list of str
        What the user should know of the scales, a line each.
    """

    def __init__(
        self, graph: Graph, plan: Plan, settings: Settings, most: dict[str, float]
    ) -> None:
        self.graph, self.plan, self.settings = graph, plan, settings
        self.numbers, self.wide = (
            {name: number(kind, one, 0 if name in graph.tensors else ROOM)
             for name, one in most.items()} for kind in (KINDS[settings.format], WIDE)
        )  # fmt: skip
        if settings.scales == "channel":
            for name, axis in plan.channels(graph).items():
                weights = graph.constant(name)
                self.numbers[name] = by_channel(self.numbers[name], weights, axis)
        self.notes = [
            f"{node.name}: its operand {name!r} is 0 in all samples that give scales, so that its "
            "scale is 1, whatever it will be"
            for node in (layer.node for layer in plan.layers.values()) for name in node.input[:2]
            if name not in graph.tensors and not most[name]
        ]  # fmt: skip
        self.steps = schedule(graph, plan.layers)
        self._where = {node.name: node.where for node in plan.nodes}
        self._weights: dict[tuple[str, bool], Coded] = {}
        self._alone: dict[str, Part] = {}
        self._biases: dict[str, NDArray[Any] | None] = {}

    @property
    def nodes(self) -> list[Node]:
        """Where each node runs."""
        return self.plan.nodes

    def work(self, inputs: given_arrays.Arrays) -> float:
        """About how many products are computed for samples."""
        whole = given_arrays.checked(self.graph, inputs)
        return self.plan.macs(EIGHT) * given_arrays.samples(self.graph, whole) / self.plan.samples

    def planned(self, inputs: given_arrays.Arrays, batch: int | None = None) -> Plan:
        """The plan of a run: with how many products the nodes compute for these samples.

        For that the model runs in FP32 on a batch of each size. Shapes are those of the first.

        Raises
        ------
        ParameterError
            As `run`.
        """
        whole = given_arrays.checked(self.graph, inputs)
        self.reference.check_batches(whole, batch)
        first: dict[tuple[tuple[int, ...], ...], dict[str, Any]] = {}
        count = Counter[tuple[tuple[int, ...], ...]]()
        for one in given_arrays.batches(self.graph, whole, batch):
            sizes = tuple(np.shape(array) for array in one.values())
            first.setdefault(sizes, one)
            count[sizes] += 1
        runs = ((count[sizes], observed(self.reference, [one]).facts)
                for sizes, one in first.items())  # fmt: skip
        return self.plan.of(self.graph, given_arrays.samples(self.graph, whole), runs)

    @cached_property
    def boundaries(self) -> list[Boundary]:
        """What becomes of the results of each product in 8 bits."""
        return boundaries(self)

    @cached_property
    def reference(self) -> Reference:
        """The model in FP32."""
        return Reference(self.graph)

    def run(
        self,
        inputs: given_arrays.Arrays,
        engine: Engine,
        *,
        batch: int | None = None,
        compare: bool = True,
        chains: Sequence[Sequence[Boundary]] = (),
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
        chains : sequence
            Of `hfp8_hw.models.chains.build.chains`: products that the engine does at one go. It is
            a `ChainEngine` that tells what all links gave, such as `CheckedEngine`. No result is
            another one for that.
        report : callable

        Raises
        ------
        RunError
            If what stayed on the engine is not what the host makes of the same sums.
        ParameterError
            As `hfp8_hw.models.arrays.checked` and `Reference.check_batches`; if onnxruntime cannot
            run the model on these; and what the engine does not allow.
        """
        whole = given_arrays.checked(self.graph, inputs)
        engine, records = self.engine(engine), self.records()
        linked = None
        if chains:
            assert isinstance(engine, ChainEngine)
            linked = Linked(self, chains, engine)
        outcome = Outcome({}, nodes=list(records.values()))
        parts: list[dict[str, Any]] = []
        wanted: list[dict[str, Any]] = []
        if compare:
            outcome.compared = [OutputRecord(n, Errors()) for n in self.graph.outputs]
        cut = given_arrays.cut(self.graph, whole, batch)
        once = {*self.graph.tensors, *whole}.difference(cut) if cut else set()
        self.reference.check_batches(whole, batch)
        for one in given_arrays.batches(self.graph, whole, batch):
            reference = self.reference.run(one) if compare else None
            start = time.perf_counter()
            values = self._batch(dict(one), engine, linked, records, reference, report)
            outcome.seconds += time.perf_counter() - start
            parts.append({name: self._value(name, values) for name in self.graph.outputs})
            if reference is not None:
                wanted.append({name: reference[name] for name in self.graph.outputs})
                for record in outcome.compared:
                    record.add(parts[-1][record.name], reference[record.name])
        outcome.outputs, outcome.reference = (
            given_arrays.joined(every, once) for every in (parts, wanted)
        )
        return outcome

    def _batch(
        self, values: dict[str, Any], engine: Engine, linked: Linked | None,
        records: dict[str, NodeRecord], reference: dict[str, Any] | None, report: Report,
    ) -> dict[str, Any]:  # fmt: skip
        for step in self.steps:
            if isinstance(step, Part):
                values |= step.run(values)
                continue
            record = records[step.name]
            y = self.compute(step.name, values, engine, record, report, linked)
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
            if operand is None or (operand.errors and name in self.graph.tensors):
                continue
            operand.errors = operand.errors or Errors()
            wide = self._where[record.name] == IN_16_BITS
            codes = self._coded(name, values, wide).codes
            found = (self.wide if wide else self.numbers)[name].values(codes)
            operand.errors.add(found, self._value(name, values))

    def compute(
        self, name: str, values: dict[str, Any], engine: Engine, record: NodeRecord,
        report: Report = unheard, linked: Linked | None = None,
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
        linked : Linked, optional
            Has the sums of what is in a chain.
        """
        layer, start = self.plan.layers[name], time.perf_counter()
        if self._where[name] == IN_16_BITS:
            y = self._in_16_bits(layer, values, record)
        else:
            y = self._on_engine(layer, values, engine, record, report, linked)
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
        report: Report, linked: Linked | None,
    ) -> NDArray[Any]:  # fmt: skip
        x, w = self._operands(layer, values, record, wide=False)
        sums = SUMS[self.settings.sums]
        job = layer.job(x, w, KINDS[self.settings.format], sums)
        report(record.name, 0)
        found = self._sums(layer, job, engine, linked, lambda more: report(record.name, more))
        record.macs += job.macs
        biased = self.bias(layer) is not None
        return self._finish(
            layer, values, sums_values(found, sums.acc), x, w, self.numbers, biased=biased
        )

    def _sums(
        self, layer: Layer, job: ProductJob, engine: Engine, linked: Linked | None,
        progress: Progress,
    ) -> NDArray[Any]:  # fmt: skip
        """A job's sums, with the bias that `bias` has."""
        found = linked.sums(layer.node.name, job, progress) if linked is not None else None
        if found is not None:
            return found
        found, bias = engine.run(job, progress), self.bias(layer)
        return found if bias is None else np.asarray(
            add(found, spread(layer, bias, job.groups), job.sums.acc)
        )  # fmt: skip

    def bias(self, layer: Layer) -> NDArray[Any] | None:
        """A layer's bias as codes of the accumulator's format, if it is added in that."""
        if self.settings.biases == "fp32" or not layer.addend:
            return None
        name = layer.node.name
        if name not in self._biases:
            self._biases[name] = bias_codes(layer, self.graph, self.sums_scale(layer))
        return self._biases[name]

    def sums_scale(self, layer: Layer) -> float:
        """What a layer's sums have to be multiplied by."""
        first, second = (self.numbers[name].scale for name in layer.operands)
        return first * second

    def weights(self, layer: Layer) -> NDArray[Any]:
        """Codes of a layer's second operand, a constant."""
        return self._coded(layer.operands[1], {}, wide=False).codes

    def _operands(
        self, layer: Layer, values: dict[str, Any], record: NodeRecord, *, wide: bool
    ) -> list[NDArray[Any]]:
        """Codes of both operands, which the record counts."""
        coded = [self._coded(name, values, wide) for name in layer.operands]
        first, second = ((self.wide if wide else self.numbers)[name] for name in layer.operands)
        record.a = record.a or Operand(first.kind, first.scale)
        channels = 0 if second.factors is None else second.factors.size
        record.b = record.b or Operand(second.kind, second.scale, channels)
        for operand, name, one in zip((record.a, record.b), layer.operands, coded, strict=True):
            # A weight is the same in every batch.
            if not operand.elements or name not in self.graph.tensors:
                operand.add(one)
        return [one.codes for one in coded]

    def _finish(
        self, layer: Layer, values: dict[str, Any], sums: NDArray[Any], x: NDArray[Any],
        w: NDArray[Any], numbers: dict[str, Number], *, biased: bool = False,
    ) -> NDArray[Any]:  # fmt: skip
        """The output in its type, from the values of sums of scaled operands; ``biased`` are those
        that have their bias."""
        first, second = (numbers[name].scale for name in layer.operands)
        dtype = self._value(layer.operands[0], values).dtype
        products = scaled_sums(sums, (first, second), dtype)
        factors = numbers[layer.operands[1]].factors
        if factors is not None:
            products = layer.scaled(products, factors)
        addend = self._value(layer.addend, values) if layer.addend and not biased else None
        if addend is not None:
            addend = addend.astype(products.dtype)
        # What is beyond the type is counted as not finite.
        with np.errstate(over="ignore", invalid="ignore"):
            return layer.output(products, x, w, addend).astype(dtype, copy=False)

    def _coded(self, name: str, values: dict[str, Any], wide: bool) -> Coded:
        how = (self.wide if wide else self.numbers)[name]
        if name not in self.graph.tensors:
            return how.code(values[name])
        if (name, wide) not in self._weights:
            self._weights[name, wide] = how.code(self.graph.constant(name))
        return self._weights[name, wide]

    def _value(self, name: str, values: dict[str, Any]) -> NDArray[Any]:
        return self.graph.constant(name) if name in self.graph.tensors else values[name]

    def _in_16_bits(self, layer: Layer, values: dict[str, Any], record: NodeRecord) -> NDArray[Any]:
        """Operands rounded to (1,6,9), and sums, which are FP32 before that."""
        codes = self._operands(layer, values, record, wide=True)
        x, w = (sums_values(one, WIDE) for one in codes)
        job = layer.job(x, w, WIDE, SUMS[self.settings.sums])
        record.macs += job.macs
        return self._finish(layer, values, wide_sums(single_products(job)), x, w, self.wide)

    def _part(self, layer: Layer) -> Part:
        """The layer's node by itself, in FP32."""
        node = layer.node
        if node.name not in self._alone:
            inputs = [name for name in dict.fromkeys(node.input)
                      if name and name not in self.graph.tensors]  # fmt: skip
            self._alone[node.name] = Part(self.graph, [node], inputs, [node.output[0]])
        return self._alone[node.name]


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
    deployment = Deployment(graph, plan, chosen, seen.most)
    deployment.reference = reference
    return deployment
