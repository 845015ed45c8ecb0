"""Running whole arrays through a unit on a board."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.host import Device
from rtl_gen.package import Package

from ..simulation.run_arrays import Applied, arrange, collect
from ..simulation.simulate import Outcome

TRANSFERS = 1 << 14
"""Transfers of a run. If the board is reset in between, it begins again with these."""


def count(package: Package, arrays: dict[str, NDArray[Any]]) -> int:
    """How many results `through` gets, those that only fill a turn included."""
    phases, _ = arrange(package, arrays, 1, TRANSFERS)
    return sum(_due(phase.inputs) for phase in phases)


def through(
    device: Device, progress: Callable[[int], None] = lambda _: None
) -> Callable[[Package, str, dict[str, NDArray[Any]], int], Applied]:
    """What puts arrays through the unit on a board, as `verif.simulation.run_arrays.apply` does.

    ``progress`` is told how many results have come.
    """

    def apply(
        package: Package, simulator: str, arrays: dict[str, NDArray[Any]], seed: int = 0
    ) -> Applied:
        device.check(package.manifest)
        phases, shape = arrange(package, arrays, 1, TRANSFERS)
        start = time.monotonic()
        outputs, before = [], 0
        for phase in phases:
            columns = {port: values[:, 0] for port, values in phase.inputs.items()}
            outputs.append(device.run(package.manifest, columns, _from(before, progress)))
            before += _due(phase.inputs)
        codes, flags = collect(outputs, shape)
        return Applied(codes, flags, Outcome(codes.size, 0, time.monotonic() - start))

    return apply


def _from(before: int, progress: Callable[[int], None]) -> Callable[[int], None]:
    return lambda count: progress(before + count)


def _due(inputs: dict[str, NDArray[Any]]) -> int:
    ends = inputs.get("i_last")
    return len(next(iter(inputs.values()))) if ends is None else int(np.count_nonzero(ends[:, 0]))
