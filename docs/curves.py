"""The curves of training runs, docs/images/training.svg, drawn from docs/results/training.json."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import training

RESULTS = Path(__file__).parent / "results" / "training.json"


def digest(rows: list[training.Row]) -> str:
    """What a picture of the rows must carry, so that a test can tell whether it is current."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def load() -> list[training.Row]:
    """The committed rows."""
    return list(json.loads(RESULTS.read_text())["rows"])


def lines(rows: list[training.Row], task: str, what: str) -> dict[str, list[tuple[float, float]]]:
    """The curve of each arithmetic without changes that has one, the mean of its seeds."""
    own = [row for row in rows if row["task"] == task and not row["changes"]]
    found = {
        name: training.curve([row for row in own if row["arithmetic"] == name], what)
        for name in training.ORDER
    }
    return {name: points for name, points in found.items() if points}


def svg(rows: list[training.Row]) -> bytes:
    """A panel a task with its loss by epoch, and one of accuracy without loss scaling."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tasks = list(dict.fromkeys(row["task"] for row in rows if not row["changes"]))
    ink = dict(zip(training.ORDER, training.INKS, strict=True))
    settings = {"svg.hashsalt": "hfp8", "font.size": 9, "axes.spines.top": False,
                "axes.spines.right": False, "axes.titlesize": 10}  # fmt: skip
    with plt.rc_context(settings):
        height = (len(tasks) + 2) // 2
        figure, places = plt.subplots(
            height, 2, figsize=(8.5, 2.3 * height), layout="constrained", squeeze=False
        )
        axes: list[Any] = list(places.flat)
        for axis, task in zip(axes, tasks, strict=False):
            for name, points in lines(rows, task, "loss").items():
                axis.plot(*zip(*points, strict=True), color=ink[name], label=name, lw=1.2)
            axis.set_title(f"{task}: loss")
        for axis in axes[len(tasks) :]:
            axis.set_visible(False)
        _without_scaling(axes[len(tasks)], rows, ink)
        for axis in axes[: len(tasks)]:
            axis.xaxis.get_major_locator().set_params(integer=True)
        for axis in places[-1]:
            axis.set_xlabel("epoch")
        handles = {
            label: handle
            for axis in axes[: len(tasks)]
            for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        names = [name for name in training.ORDER if name in handles]
        figure.legend([handles[n] for n in names], names, loc="outside upper center",
                      ncols=len(names), frameon=False)  # fmt: skip
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Description": digest(rows)})
        plt.close(figure)
    return buffer.getvalue()


def _without_scaling(axis: Any, rows: list[training.Row], ink: dict[str, str]) -> None:
    """The score of a task's arithmetic with and without loss scaling, if a run of that is there."""
    off = [row for row in rows if row["changes"] == {"loss_scaling": False}]
    if not off:
        return
    task, name = off[0]["task"], off[0]["arithmetic"]
    same = [row for row in off if (row["task"], row["arithmetic"]) == (task, name)]
    for words, points, style in (
        (f"{name}", lines(rows, task, "score")[name], "-"),
        (f"{name}, no loss scaling", training.curve(same, "score"), "--"),
    ):
        axis.plot(*zip(*points, strict=True), style, color=ink[name], label=words, lw=1.2)
    axis.set_title(f"{task}: {off[0]['unit']}")
    axis.set_visible(True)
    axis.legend(frameon=False, fontsize=8)
    axis.xaxis.get_major_locator().set_params(integer=True)
