"""What a unit must give for a list of transfers, by the golden function in its manifest."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import parse_operand
from hfp8_hw.golden import to_fixed


def sums(first: NDArray[Any], last: NDArray[Any], interleave: int = 1) -> list[range]:
    """The items of every sum that is output, by the framing of the items, in order of its last.

    A sum starts at ``first`` or after ``last``, and a ``first`` in the middle discards what was
    summed up to it; without a ``last`` nothing is output. Item t is one of sums number
    t mod ``interleave``.
    """
    found, starts = [], list(range(interleave))
    for k, (opens, closes) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        turn = k % interleave
        if opens:
            starts[turn] = k
        if closes:
            found.append(range(starts[turn], k + 1, interleave))
            starts[turn] = k + interleave
    return found


class Singles(Sequence[range]):
    """The spans of results of one item each."""

    def __init__(self, count: int) -> None:
        self._all = range(count)

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, index: int) -> range: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[range]: ...
    def __getitem__(self, index: int | slice) -> range | Sequence[range]:
        if isinstance(index, slice):
            return [range(k, k + 1) for k in self._all[index]]
        return range(self._all[index], self._all[index] + 1)


USUAL_CHUNK = 64
"""How long sums are made around, in transfers, where the unit itself has no length."""


def chunk_of(manifest: dict[str, Any]) -> int:
    """Transfers in a chunk of an accumulating unit; `USUAL_CHUNK` in one that has no chunks."""
    parameters = manifest["parameters"]
    if "chunk" not in parameters:
        return USUAL_CHUNK
    return max(1, int(parameters["chunk"]) // int(parameters.get("lanes", 1)))


def chunked(manifest: dict[str, Any]) -> bool:
    """Whether a unit sums in chunks."""
    return manifest["parameters"].get("semantics") in ("chunked", "exact_chunk")


def signed(values: NDArray[Any], width: int) -> NDArray[np.int64]:
    """Two's complement fields of ``width`` bits, or the integers they stand for, as integers."""
    wide = values.astype(np.int64) & ((1 << width) - 1)
    return wide - ((wide >> (width - 1)) << width)


def is_signed(name: str) -> bool:
    """Whether an input, by its name as a port's or an argument's, is in two's complement."""
    return "bias" in name or name == "scale"


def code_width(port: dict[str, Any]) -> int:
    """Bits of the codes or integers that go to a port, whatever it carries them as."""
    if "format" in port:
        return parse_operand(port["format"])[0].width
    return int(port["width"])


def as_driven(manifest: dict[str, Any], inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What the input ports carry: codes as they are, or as fixed-point words."""
    ports = {port["name"]: port for port in manifest["ports"]}
    return {
        name: to_fixed(values, ports[name]["format"]) if "encoding" in ports[name] else values
        for name, values in inputs.items()
    }


def golden_call(
    manifest: dict[str, Any], inputs: dict[str, NDArray[Any]]
) -> tuple[Callable[..., Any], dict[str, NDArray[Any]]]:
    """The golden function with its constant arguments bound, and the others from port values.

    Where an argument has several ports, all get a last axis for them.
    """
    golden = manifest["golden"]
    module, name = golden["function"].split(":")
    function = getattr(importlib.import_module(module), name)
    widths = {port["name"]: port["width"] for port in manifest["ports"]}
    grouped = any(isinstance(port, list) for port in golden["inputs"].values())
    arguments = {}
    for argument, port in golden["inputs"].items():
        if isinstance(port, list):
            arguments[argument] = np.stack([inputs[p] for p in port], axis=-1)
            continue
        values = signed(inputs[port], widths[port]) if is_signed(argument) else inputs[port]
        arguments[argument] = values[..., None] if grouped else values
    return partial(function, **golden["arguments"]), arguments


def _items_last(values: NDArray[Any], arguments: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """(sums, items, lanes) or (sums, items, lanes, ports) to (sums, lanes, items * ports)."""
    if values.ndim == 3:
        return values.transpose(0, 2, 1)
    ports = max(value.shape[-1] for value in arguments.values())
    values = np.broadcast_to(values, (*values.shape[:-1], ports)).transpose(0, 2, 1, 3)
    return values.reshape(*values.shape[:2], -1)


def _by_port(
    outputs: list[str | list[str]], results: tuple[NDArray[Any], ...]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Each port and its values: those of a list of ports are along the last axis."""
    for ports, result in zip(outputs, results, strict=True):
        if isinstance(ports, str):
            yield ports, result
        else:
            yield from ((port, result[..., k]) for k, port in enumerate(ports))


def expected(
    manifest: dict[str, Any], inputs: dict[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[Any]], Sequence[range]]:
    """The outputs by port, (results, lanes), and each result's items."""
    golden = manifest["golden"]
    function, arguments = golden_call(manifest, inputs)
    count, lanes = next(iter(inputs.values())).shape
    if golden["sum"] is None:
        return dict(_by_port(golden["outputs"], function(**arguments))), Singles(count)
    first, last = (inputs[golden["sum"][edge]][:, 0] for edge in ("first", "last"))
    spans = sums(first, last, golden["sum"]["interleave"])
    outputs: dict[str, NDArray[Any]] = {}
    lengths = np.array([len(span) for span in spans])
    for length in np.unique(lengths):
        which = np.flatnonzero(lengths == length)
        items = np.array([spans[k] for k in which])
        # (sums, items, lanes) with the items last, as the golden function sums the last axis.
        batch = {key: _items_last(value[items], arguments) for key, value in arguments.items()}
        for port, result in _by_port(golden["outputs"], function(**batch)):
            outputs.setdefault(port, np.zeros((len(spans), lanes), result.dtype))
            outputs[port][which] = result
    return outputs, spans


def compare(
    phase: str,
    inputs: dict[str, NDArray[Any]],
    outputs: dict[str, NDArray[Any]],
    spans: Sequence[range],
    got: dict[str, NDArray[Any]],
) -> dict[str, Any]:
    """Vectors, mismatches and the first mismatch, as in `verif.simulation.simulate.Outcome`.

    ``outputs`` and ``spans`` are from `expected`; ``got`` may be shorter.
    """
    lanes = next(iter(inputs.values())).shape[1]
    count = min(len(next(iter(got.values()))), len(spans))
    wrong = np.zeros((count, lanes), bool)
    for port, values in outputs.items():
        wrong |= got[port][:count] != values[:count]
    first = None
    if wrong.any():
        index, lane = (int(n) for n in np.argwhere(wrong)[0])
        items = list(spans[index])
        first = {
            "phase": phase,
            "index": index * lanes + lane,
            "inputs": {p: v[items, lane].tolist() for p, v in inputs.items()},
            "expected": {p: int(v[index, lane]) for p, v in outputs.items()},
            "got": {p: int(got[p][index, lane]) for p in outputs},
        }
    return {"vectors": int(wrong.size), "mismatches": int(wrong.sum()), "first": first}
