"""What functional coverage measures of transfers and of streams; the bins are in coverage.toml."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import RUNTIME_BIAS_WIDTH, FloatFormat, parse_operand
from hfp8_hw.golden import decode
from rtl_gen.package import Package

from ..stimulus import code_classes, sum_bounds
from ..stimulus.reference import chunk_of, code_width, signed, sums

Measured = NDArray[np.int64]

FLAGS = ("overflow", "underflow", "inexact", "invalid")
"""The bits of ``o_flags``, lowest first."""

_DISTANCES = np.array([-12, -1, 0, 1, 2, 13])
_WAITS = np.array([2, 3, 8, 32])


class Port:
    """An operand or result of a unit by its name in coverage.toml: its ports, formats, mode."""

    def __init__(self, package: Package, name: str) -> None:
        golden = package.manifest["golden"]
        named = golden["inputs"].get(name)
        if named is None:
            outputs = {self._result(entry): entry for entry in golden["outputs"]}
            named = outputs.get(name)
        self.ports: list[str] = [named] if isinstance(named, str) else list(named or ())
        there = {port["name"]: port for port in package.manifest["ports"]}
        facts = there[self.ports[0]] if self.ports else {}
        self.formats: tuple[FloatFormat, ...] = ()
        if "format" in facts and not (facts["dir"] == "out" and "encoding" in facts):
            self.formats = parse_operand(facts["format"])
        self.width = code_width(facts) if self.formats else facts.get("width", 0)
        wanted = (f"i_mode_{name}", "i_mode")
        self.mode = next((m for m in wanted if m in there and len(self.formats) > 1), None)
        self.bias = f"i_bias_{name}" if f"i_bias_{name}" in there else None
        # Of an input in fixed point, the port does not carry the code.
        self.fixed = "encoding" in facts

    @staticmethod
    def _result(entry: str | list[str]) -> str:
        port = entry if isinstance(entry, str) else entry[0].rstrip("0123456789")
        return port.removeprefix("o_")


class Items:
    """The samples of one phase, (items, copies): inputs, and the results they went into."""

    def __init__(
        self, package: Package, inputs: dict[str, Measured], outputs: dict[str, Measured]
    ) -> None:
        self.package, self.inputs = package, inputs
        framing = package.manifest["golden"]["sum"]
        count = len(next(iter(inputs.values())))
        self.spans: list[range] = []
        where = np.full(count, -1)
        if framing is None:
            where = np.arange(count)
        else:
            first, last = (inputs[framing[edge]][:, 0] for edge in ("first", "last"))
            self.spans = sums(first, last, framing["interleave"])
            for k, span in enumerate(self.spans):
                where[span.start : span.stop : span.step] = k
        # Items of sums that were given up have no result.
        self.kept = np.flatnonzero(where >= 0)
        self.outputs = {port: values[where[self.kept]] for port, values in outputs.items()}

    def column(self, port: str) -> Measured:
        """A port's values in the items that have a result."""
        return self.outputs[port] if port in self.outputs else self.inputs[port][self.kept]

    def lanes(self, points: Sequence[str]) -> int:
        """How many lanes of the unit the points have."""
        ports = [Port(self.package, point.split()[1]) for point in points if " " in point]
        if points[0] == "distance":
            ports.append(Port(self.package, "a"))
        if any(point in FLAGS for point in points):
            ports.append(Port(self.package, "flags"))
        return max([1, *(len(port.ports) for port in ports)])

    def values(self, name: str, lane: int) -> NDArray[np.float64]:
        """An operand's values in all items, those without a result too."""
        port = Port(self.package, name)
        codes = self.inputs[port.ports[lane % len(port.ports)]]
        found = decode(codes, port.formats[0])
        if port.mode is not None:
            mode = self.inputs[port.mode] == 1
            found = np.where(mode, decode(codes, port.formats[1]), found)
        if port.bias is not None:
            bias: Any = port.formats[0].bias
            if port.mode is not None:
                bias = np.where(self.inputs[port.mode] == 1, port.formats[1].bias, bias)
            found = np.ldexp(found, bias - signed(self.inputs[port.bias], RUNTIME_BIAS_WIDTH))
        return found

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """Before each item, the sum so far in binary64: near enough to tell exponents."""
        lanes = len(Port(self.package, "a").ports)
        with np.errstate(invalid="ignore", over="ignore"):
            each = [self.values("a", k) * self.values("b", k) for k in range(lanes)]
            products = np.sum(each, axis=0)
            found = np.zeros_like(products)
            for span in self.spans:
                every = slice(span.start, span.stop, span.step)
                found[every] = np.cumsum(products[every], axis=0) - products[every]
        return found


def bins_of(package: Package, point: str, every: list[str]) -> list[str] | None:
    """The bins that a configuration has; None if it does not have the point at all."""
    name, _, of = point.partition(" ")
    summing = package.manifest["golden"]["sum"] is not None
    if name in ("class", "sign", "mode"):
        port = Port(package, of)
        if name == "mode":
            return every if port.mode is not None else None
        if not port.formats:
            return None
        if name == "sign":
            return every
        there = {c for fmt in port.formats for c in code_classes.ranges(fmt)}
        if summing and of == "y":
            there -= _beyond(package, port.formats[0])
        return [c for c in every if c in there]
    if name in FLAGS:
        return every if Port(package, "flags").ports else None
    if name == "start":
        return every if summing else None
    if name == "length":
        return _lengths(package, every) if summing else None
    if name == "distance" and not (Port(package, "a").formats and Port(package, "b").formats):
        return None
    if name == "distance" and not summing:
        # No further apart than the format's ends.
        fmt = Port(package, "a").formats[0]
        span = int(np.frexp(fmt.max)[1]) - int(np.frexp(fmt.min)[1])
        lowest = dict(zip(every[1:], (13, 2, 1, 0, 1, 2, 13), strict=True))
        return [every[0], *(bin for bin, least in lowest.items() if least <= span)]
    if name == "distance":
        # A product is no further above a sum than the largest above the smallest step.
        span = int(
            np.frexp(sum_bounds.product(package))[1] - np.frexp(sum_bounds.smallest(package))[1]
        )
        return [*every[:5], *(bin for bin, least in zip(every[5:], (1, 2, 13), strict=True)
                              if least <= span)]  # fmt: skip
    return every


def _beyond(package: Package, acc: FloatFormat) -> set[str]:
    """Classes of an accumulator format that no sum of a reasonable length can be in.

    A sum is a multiple of the operands' smallest steps, so nothing below that is reached; and
    nothing above the bound of `verif.stimulus.sum_bounds`.
    """
    step, top = sum_bounds.smallest(package), sum_bounds.largest(package)
    found = set()
    for name, pairs in code_classes.ranges(acc).items():
        if name not in ("zero", "inf", "nan"):
            first, last = pairs[0]
            if acc.value(last) < step or acc.value(first) > top:
                found.add(name)
    formats = [fmt for name in ("a", "b") for fmt in Port(package, name).formats]
    saturates = package.manifest["parameters"].get("overflow") == "saturate"
    overflows = top > acc.max and not saturates
    infinite = any(fmt.has_inf for fmt in formats)
    if saturates or not (infinite or (overflows and acc.has_inf)):
        found.add("inf")
    if infinite and saturates:
        found.discard("largest")
    if not (infinite or any(fmt.has_nan for fmt in formats) or (overflows and not acc.has_inf)):
        found.add("nan")
    return found


def measure(items: Items, point: str, lane: int) -> Measured:
    """The index of every sample's bin, (items, copies)."""
    name, _, of = point.partition(" ")
    if name in ("class", "sign", "mode"):
        port = Port(items.package, of)
        if name == "mode":
            return items.column(port.mode or "")
        codes = items.column(port.ports[lane % len(port.ports)])
        if name == "sign":
            return (codes >> (port.width - 1)) & 1
        found = code_classes.classify(codes, port.formats[0])
        if port.mode is not None:
            other = code_classes.classify(codes, port.formats[1])
            found = np.where(items.column(port.mode) == 1, other, found)
        return found
    if name in FLAGS:
        ports = Port(items.package, "flags").ports
        return (items.column(ports[lane % len(ports)]) >> FLAGS.index(name)) & 1
    return {"distance": _distance, "operation": _operation, "length": _length,
            "start": _start}[name](items, lane)  # fmt: skip


def of_results(package: Package, point: str) -> bool:
    """Whether a point is one of results alone."""
    name, _, of = point.partition(" ")
    return name in FLAGS or (bool(of) and of not in package.manifest["golden"]["inputs"])


STREAMS = {
    "input": {"idle": "!i_valid", "offered": "i_valid && !i_ready", "taken": "i_valid && i_ready"},
    "output": {"none": "!o_valid", "waiting": "o_valid && !o_ready",
               "taken": "o_valid && o_ready"},
}  # fmt: skip
"""What the states of the streams are, in Verilog."""


def _pair(items: Items, lane: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is added, and what it is added to."""
    a, b = items.values("a", lane), items.values("b", lane)
    if items.package.manifest["golden"]["sum"] is None:
        return b, a
    with np.errstate(invalid="ignore", over="ignore"):
        return (a * b)[items.kept], items.totals[items.kept]


def _distance(items: Items, lane: int) -> Measured:
    added, to = _pair(items, lane)
    good = np.isfinite(added) & np.isfinite(to) & (added != 0) & (to != 0)
    exponents = np.frexp(np.where(good, added, 1.0))[1] - np.frexp(np.where(good, to, 1.0))[1]
    return np.where(good, 1 + np.searchsorted(_DISTANCES, exponents, side="right"), 0)


def _operation(items: Items, lane: int) -> Measured:
    added, to = _pair(items, lane)
    return (np.signbit(added) != np.signbit(to)).astype(np.int64)


def _spread(items: Items, values: list[int]) -> Measured:
    """One value a sum, given to its items; (items, copies)."""
    found = np.zeros(len(next(iter(items.inputs.values()))), np.int64)
    for span, value in zip(items.spans, values, strict=True):
        found[span.start : span.stop : span.step] = value
    copies = next(iter(items.inputs.values())).shape[1]
    return np.repeat(found[items.kept, None], copies, axis=1)


def _lengths(package: Package, every: list[str]) -> list[str]:
    """The bins of ``length``: short chunks have none between one transfer and two chunks."""
    chunk = chunk_of(package.manifest)
    return [every[0], *every[1:2][: chunk > 2], *every[2:4][: 2 * (chunk > 1)], every[4]]


def _length(items: Items, lane: int) -> Measured:
    chunk = chunk_of(items.package.manifest)

    def which(length: int) -> int:
        if length == 1:
            return 0
        return 1 + int(np.searchsorted([chunk, chunk + 1, 2 * chunk], length, side="right"))

    return _spread(items, [which(len(span)) for span in items.spans])


def _start(items: Items, lane: int) -> Measured:
    framing = items.package.manifest["golden"]["sum"]
    first, last = (items.inputs[framing[edge]][:, 0] for edge in ("first", "last"))
    turns = framing["interleave"]

    def which(span: range) -> int:
        before = span.start - turns
        fresh = before < 0 or last[before]
        return (1 if first[span.start] else 0) if fresh else 2

    return _spread(items, [which(span) for span in items.spans])


def observed(points: Sequence[str], handshakes: dict[str, Any]) -> NDArray[np.int64] | None:
    """Counts of points that the bench takes itself."""
    if tuple(points) == ("input", "output"):
        return np.array(handshakes["states"], np.int64)
    if tuple(points) == ("wait",):
        counts = np.zeros(len(_WAITS) + 1, np.int64)
        for clocks, times in handshakes["waits"]:
            counts[np.searchsorted(_WAITS, clocks, side="right")] += times
        return counts
    return None


def condition(package: Package, point: str, name: str, lane: int) -> str | None:
    """Verilog on a unit's ports: whether a point has a value; None if ports do not tell."""
    kind, _, of = point.partition(" ")
    if kind in FLAGS:
        ports = Port(package, "flags").ports
        test = "==" if name == "yes" else "!="
        return f"({ports[lane % len(ports)]}[{FLAGS.index(kind)}] {test} 1)"
    if kind not in ("class", "sign", "mode"):
        return None
    port = Port(package, of)
    if port.fixed:
        return None
    if kind == "mode":
        return f"({port.mode} == {int(name == 'backward')})"
    wire = port.ports[lane % len(port.ports)]
    if kind == "sign":
        return f"({wire}[{port.width - 1}] == {int(name == '-')})"
    return code_classes.condition(wire, name, port.formats, port.mode)
