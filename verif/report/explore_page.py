"""The page of an exploration: what ``hfp8 explore`` measured, with a plot to look around in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from verif.simulation.compare import error_words
from verif.simulation.verify import command, label

from .page import template

_HERE = Path(__file__).parent

AXES = {
    "luts": "LUT",
    "ffs": "FF",
    "dsps": "DSP",
    "memories": "block RAM",
    "fmax_median": "MHz",
    "throughput": "million items a second",
    "latency": "latency, clocks",
    "latency_ns": "latency, ns",
    "macs": "products a clock",
    "peak_gmacs": "GMAC/s at most",
    "utilisation": "share of the array in use",
    "gmacs": "GMAC/s",
    "sqnr_db": "SQNR, dB",
    "own_sqnr_db": "SQNR of the unit by itself, dB",
    "max_rel": "largest relative error",
}
"""What a point can be plotted by, if it has that: its member in the file, and what that is."""

Cells = Mapping[str, Callable[[dict[str, Any]], str]]


def render_exploration(data: dict[str, Any], title: str, cells: Cells) -> str:
    """HTML that needs nothing else, from the file that ``hfp8 explore --json`` writes.

    Parameters
    ----------
    title : str
        Names the device.
    cells : mapping
        The columns of the table: by title, the text for a row.
    """
    measured = [row for row in data["rows"] if row["status"] == "measured"]
    varying = data["varying"]
    values = {n: list(dict.fromkeys(_value(row, n) for row in measured)) for n in varying}
    every = set.intersection(*({*row["parameters"]} for row in measured)) if measured else set()
    same = {k: measured[0]["parameters"][k] for k in sorted(every) if k not in varying}
    options = ["--device", data["device"], "--seeds", str(data["seeds"])]
    options += ["--dsp"] if data["dsp"] else []
    axes = {name: AXES[name] for name in AXES if all(name in row for row in measured)}
    if "gmacs" in axes:  # the same in another unit
        del axes["throughput"]
    points = [
        {
            "own": {name: _value(row, name) for name in varying},
            "figures": {name: row[name] for name in axes},
            "cells": {name: cell(row) for name, cell in cells.items()},
            "accuracy": {f"{w}sqnr_db": error_words(row, w) for w in ("", "own_")},
            "exact": {f"{w}sqnr_db": row[f"{w}exact"] for w in ("", "own_")},
            "front": row["front"],
            "replay": command("synth", row["unit"], row["parameters"], options),
        }
        for row in measured
    ]
    return template("explore.html").render(
        data=data, title=title, points=points, varying=varying,
        choices=values, same=label(same), axes=axes, columns=list(cells),
        counts=Counter(row["status"] for row in data["rows"]),
        front=sum(row["front"] for row in measured),
        left=[row | {"label": label(row.get("given") or row["parameters"])}
              for row in data["rows"] if row["status"] != "measured"],
        script=(_HERE / "explore.js").read_text(encoding="utf-8"),
        plotted=[name for name in axes if len({row[name] for row in measured}) > 1],
    )  # fmt: skip


def _value(row: dict[str, Any], name: str) -> str:
    """A parameter of a point; empty where it has no meaning for the others."""
    return str(row["parameters"].get(name, ""))
