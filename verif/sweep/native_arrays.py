"""Running whole arrays through a unit's compiled model."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl_gen.package import Package

from ..errors import SimulationError
from ..simulation.run_arrays import Applied, arrange, collect
from ..simulation.simulate import Outcome
from .compiled_model import model

TRANSFERS = 1 << 20
"""Transfers of a run, about a second's: between two, the user may interrupt."""


def apply(
    package: Package, simulator: str, arrays: dict[str, NDArray[Any]], seed: int = 0
) -> Applied:
    """As `verif.simulation.run_arrays.apply`; ``simulator`` is only a name here.

    Raises
    ------
    ParameterError
        If the shapes do not fit.
    ToolMissing, ToolError
        As `verif.sweep.compiled_model.model`.
    SimulationError
        If a result is missing or the stream contract is broken.
    """
    phases, shape = arrange(package, arrays, 1, TRANSFERS)
    unit = model(package)
    start = time.monotonic()
    outputs = []
    for phase in phases:
        columns = {port: values[:, 0] for port, values in phase.inputs.items()}
        ends = columns.get("i_last")
        due = len(next(iter(columns.values()))) if ends is None else int(np.count_nonzero(ends))
        taken = unit.run(columns, due, seed=seed)
        if taken.error:
            raise SimulationError(f"{simulator}: the stream contract is broken: {taken.error}")
        outputs.append(taken.outputs)
    codes, flags = collect(outputs, shape)
    return Applied(codes, flags, Outcome(codes.size, 0, time.monotonic() - start))
