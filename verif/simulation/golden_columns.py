"""Transfers for a unit and what the golden model has for them, as columns of integers by port."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtl_gen.package import Package

from ..stimulus import vectors
from ..stimulus.reference import as_driven, expected

Columns = dict[str, list[int]]


def golden_columns(package: Package, count: int, seed: int) -> tuple[Columns, Columns]:
    """Random transfers, a third of all codes from the edges, and the results that are due.

    A unit that sums has its last sum ended by the last transfer, and no sum given up in the middle.
    """
    rng = np.random.default_rng(seed)
    inputs = vectors.random_inputs(package, rng, count, 1)
    framing = package.manifest["golden"]["sum"]
    if framing is not None:
        turns, first, last = (framing[key] for key in ("interleave", "first", "last"))
        # What would be given up is ended, so that the next sum has its own biases.
        inputs[last][:-turns] |= inputs[first][turns:]
        inputs[first][:] = 0
        inputs[last][-turns:] = 1
    outputs, _ = expected(package.manifest, inputs)
    return _listed(as_driven(package.manifest, inputs)), _listed(outputs)


def _listed(columns: dict[str, NDArray[np.int64]]) -> Columns:
    return {port: [int(value) for value in values[:, 0]] for port, values in columns.items()}
