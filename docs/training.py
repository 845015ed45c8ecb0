"""Tables of training runs and points of their curves, from rows of ``hfp8 train --json``."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
ORDER = ("fp32", "hfp8", "hfp8-fast", "e5m2", "ocp", "int8")
TUNED = {None: "none", False: "as it was", True: "re-tuned"}
"""What is said of batch normalization in a deployed model."""
INKS = ("#1f2933", "#c2410c", "#d97706", "#1d4ed8", "#15803d", "#7e22ce")
DIGITS = {"bits/char": 3}
"""Digits after the point of a score, by its unit; otherwise two."""
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
           2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093)  # fmt: skip
"""Student's t for 95 % both ways, by degrees of freedom from 1."""


def interval(values: list[float]) -> tuple[float, float | None]:
    """The mean, and half of its 95 % interval by Student's t; None for one value."""
    if len(values) < 2:
        return values[0], None
    factor = STUDENT[min(len(values) - 1, len(STUDENT)) - 1]
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values), factor * spread


def setting(row: Row) -> str:
    """The arithmetic with its changes, in words."""
    words = [row["arithmetic"]]
    chunk = row["changes"].get("chunk")
    if chunk is not None:
        words.append("no chunks" if chunk == "none" else f"chunks of {chunk}")
    if row["changes"].get("loss_scaling") is False:
        words.append("no loss scaling")
    if (workers := row["changes"].get("workers")) is not None:
        words.append(f"{workers} workers")
    return ", ".join(words)


def cell(rows: list[Row]) -> str:
    """Mean, interval and how many seeds; runs without a score, as they diverged, are counted."""
    scores = [row["score"] for row in rows if row["score"] is not None]
    lost = len(rows) - len(scores)
    failed = f"{lost} diverged" if lost else ""
    if not scores:
        return failed
    digits = DIGITS.get(rows[0]["unit"], 2)
    mean, half = interval(scores)
    shown = f"{mean:.{digits}f}" + ("" if half is None else f" ± {half:.{digits}f}")
    return ", ".join(word for word in (f"{shown} ({len(scores)})", failed) if word)


def _first(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def by_task(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table: a row a task, a column an arithmetic without changes."""
    plain = [row for row in rows if not row["changes"]]
    names = sorted({row["arithmetic"] for row in plain}, key=ORDER.index)
    body = []
    for task in _first(row["task"] for row in plain):
        own = [row for row in plain if row["task"] == task]
        cells = [cell([row for row in own if row["arithmetic"] == name]) if any(
            row["arithmetic"] == name for row in own) else "" for name in names]  # fmt: skip
        body.append([f"`{task}`", own[0]["unit"], str(own[0]["epochs"]), *cells])
    return ["task", "unit", "epochs", *(f"`{name}`" for name in names)], body


def changed(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of changes: a row a setting, a column a task that has any."""
    tasks = _first(row["task"] for row in rows if row["changes"])
    kinds = {row["arithmetic"] for row in rows if row["changes"]}
    some = [row for row in rows if row["task"] in tasks and row["arithmetic"] in kinds]
    some.sort(key=lambda row: (ORDER.index(row["arithmetic"]), len(row["changes"])))
    body = []
    for name in _first(map(setting, some)):
        own = [row for row in some if setting(row) == name]
        cells = [[row for row in own if row["task"] == task] for task in tasks]
        body.append([name, *(cell(rows) if rows else "" for rows in cells)])
    return ["arithmetic", *(f"`{task}`" for task in tasks)], body


def deployed(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of deployed models: a row a task and what was done to its batch
    normalization, a column an arithmetic; FP32 is the score of the models that were deployed."""
    names = sorted({row["arithmetic"] for row in rows}, key=ORDER.index)
    body = []
    for task in _first(row["task"] for row in rows):
        for tuned in TUNED:
            own = [row for row in rows if row["task"] == task and row["retuned"] is tuned]
            if not own:
                continue
            plain = {row["seed"]: row | {"score": row["fp32"]} for row in own}
            parts = [list(plain.values())]
            parts += [[row for row in own if row["arithmetic"] == name] for name in names]
            cells = [cell(part) if part else "" for part in parts]
            body.append([f"`{task}`", own[0]["unit"], TUNED[tuned], *cells])
    return ["task", "unit", "batch norm", "`fp32`", *(f"`{name}`" for name in names)], body


def curve(rows: list[Row], what: str) -> list[tuple[float, float]]:
    """(epoch, mean over seeds) of ``loss`` or ``score``, where all seeds have it."""
    points: dict[int, list[float]] = {}
    for row in rows:
        for point in row["curve"]:
            if point.get(what) is not None:
                points.setdefault(point["epoch"], []).append(point[what])
    return [(epoch, statistics.mean(v)) for epoch, v in sorted(points.items())
            if len(v) == len(rows)]  # fmt: skip
