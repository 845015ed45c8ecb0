"""The Pareto front: the points that no other one beats.

A point beats another if it is as good in every objective and better in one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hfp8_hw.errors import ParameterError
from hfp8_hw.parameters import CoreParameters

from .point import MEASURED, Row


@dataclass(frozen=True)
class Objective:
    """What is to be small or large.

    Members
    -------
    title : what it is, with its unit
    value : of a measured row; None: unknown, as bad as can be
    up : whether more is better
    """

    title: str
    value: Callable[[Row], float | None]
    up: bool = False


def accuracy(row: Row, which: str = "") -> float | None:
    """SQNR in dB, or that of the unit by itself (``own_``); infinite for exact results, and None if
    it was not measured or does not tell all: some results are not finite, or may have wrapped."""
    if not row["results"] or row["not_finite"] or row["may_wrap"]:
        return None
    return math.inf if row[f"{which}exact"] else row[f"{which}sqnr_db"]


OBJECTIVES: dict[str, Objective] = {
    "luts": Objective("LUT", lambda row: row["luts"]),
    "ffs": Objective("FF", lambda row: row["ffs"]),
    "dsps": Objective("DSP", lambda row: row["dsps"]),
    "memories": Objective("block RAM", lambda row: row["memories"]),
    "fmax": Objective("MHz", lambda row: row["fmax_median"], up=True),
    "throughput": Objective("million items/s", lambda row: row["throughput"], up=True),
    "latency": Objective("latency, ns", lambda row: row["latency_ns"]),
    "sqnr": Objective("SQNR, dB", accuracy, up=True),
    "own_sqnr": Objective(
        "SQNR of the unit by itself, dB", partial(accuracy, which="own_"), up=True
    ),
}
DEFAULT = ("luts", "dsps", "throughput", "sqnr")
OF_A_CORE = ("luts", "dsps", "memories", "throughput", "sqnr")
"""By default: a core's scratchpads are a part of its area."""


def objectives(text: str | None, unit: str) -> tuple[str, ...]:
    """The names in a comma-separated list, each once; None: those that a unit has by default.

    Raises
    ------
    ParameterError
        For a name that is no objective.
    """
    if text is None:
        return OF_A_CORE if unit == CoreParameters.unit else DEFAULT
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in OBJECTIVES:
            raise ParameterError(
                f"front={text!r} is not allowed: one or more of {', '.join(OBJECTIVES)}, separated "
                "by commas"
            )
    return names


def marked(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """The rows, each measured one with ``front``: whether it is on the front of these objectives.

    Rows that are equal in all of them are all on it or none is.
    """
    measured = [row for row in rows if row["status"] == MEASURED]
    costs = np.array([[_cost(name, row) for name in names] for row in measured])
    on = iter([not _beaten(cost, costs) for cost in costs])
    return [{**row, "front": next(on)} if row["status"] == MEASURED else row for row in rows]


def _cost(name: str, row: Row) -> float:
    objective = OBJECTIVES[name]
    value = objective.value(row)
    if value is None:
        return math.inf
    return -value if objective.up else value


def _beaten(cost: np.ndarray, costs: np.ndarray) -> bool:
    return bool(((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any())
