"""What a unit must give for a list of transfers, by the golden function in its manifest."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sums(first: NDArray[Any], last: NDArray[Any]) -> list[tuple[int, int]]:
    """The (start, stop) of every sum that is put out, by the framing of the items.

    A sum starts at ``first`` or after ``last``, and a ``first`` in the middle discards what was
    summed up to it; without a ``last`` nothing is put out.
    """
    found, start = [], 0
    for k, (opens, closes) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        if opens:
            start = k
        if closes:
            found.append((start, k + 1))
            start = k + 1
    return found


def signed(values: NDArray[Any], width: int) -> NDArray[np.int64]:
    """Two's complement fields of ``width`` bits, or the integers they stand for, as integers."""
    wide = values.astype(np.int64) & ((1 << width) - 1)
    return wide - ((wide >> (width - 1)) << width)


def golden_call(
    manifest: dict[str, Any], inputs: dict[str, NDArray[Any]]
) -> tuple[Callable[..., Any], dict[str, NDArray[Any]]]:
    """The golden function with its constant arguments bound, and the others from port values."""
    golden = manifest["golden"]
    module, name = golden["function"].split(":")
    function = getattr(importlib.import_module(module), name)
    widths = {port["name"]: port["width"] for port in manifest["ports"]}
    arguments = {
        argument: signed(inputs[port], widths[port]) if "bias" in argument else inputs[port]
        for argument, port in golden["inputs"].items()
    }
    return partial(function, **golden["arguments"]), arguments


def expected(
    manifest: dict[str, Any], inputs: dict[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[Any]], list[tuple[int, int]]]:
    """The outputs by port, (results, lanes), and each result's items (start, stop)."""
    golden = manifest["golden"]
    function, arguments = golden_call(manifest, inputs)
    count, lanes = next(iter(inputs.values())).shape
    if golden["sum"] is None:
        results = function(**arguments)
        spans = [(k, k + 1) for k in range(count)]
        return dict(zip(golden["outputs"], results, strict=True)), spans
    first, last = (inputs[golden["sum"][edge]][:, 0] for edge in ("first", "last"))
    spans = sums(first, last)
    outputs: dict[str, NDArray[Any]] = {}
    lengths = np.array([stop - start for start, stop in spans])
    for length in np.unique(lengths):
        which = np.flatnonzero(lengths == length)
        items = np.array([np.arange(*spans[k]) for k in which])
        # (sums, items, lanes) with the items last, as the golden function sums the last axis.
        batch = {key: value[items].transpose(0, 2, 1) for key, value in arguments.items()}
        results = function(**batch)
        for port, result in zip(golden["outputs"], results, strict=True):
            outputs.setdefault(port, np.zeros((len(spans), lanes), result.dtype))
            outputs[port][which] = result
    return outputs, spans
