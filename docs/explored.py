"""The tables of docs/howto/explore.md: the points of its examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fpga.devices import DEVICES
from fpga.explore.columns import columns
from fpga.figures import RESULTS
from verif.simulation.compare import error_words

POINTS = RESULTS / "explore-mac.json"
CORES = RESULTS / "explore-core.json"


def points(table: Callable[..., str]) -> str:
    """A row a point, from ``fpga/results/explore-mac.json``."""

    def cells(row: dict[str, Any]) -> list[Any]:
        return [row["luts"], row["ffs"], f"{row['fmax_median']:.0f}",
                "varies" if row["latency"] is None else row["latency"],
                f"{row['throughput']:.0f}", error_words(row), error_words(row, "own_")]  # fmt: skip

    head = ["LUT", "FF", "MHz", "latency, clocks", "million products/s", "SQNR, dB", "its own, dB"]
    data = json.loads(POINTS.read_text())
    work = data["workload"]
    what = f"{work['results']:,} sums of {work['products']:,} products"
    return _table(table, data, head, cells, what)


def cores(table: Callable[..., str]) -> str:
    """A row a core, from ``fpga/results/explore-core.json``."""
    data = json.loads(CORES.read_text())
    shown = [column for column in columns("core") if data["dsp"] or column.title != "DSP"]
    head = [column.title for column in shown]
    what = f"products {', '.join(data['workload']['sizes'])}"
    return _table(table, data, head, lambda row: [column.cell(row) for column in shown], what)


def _table(
    table: Callable[..., str],
    data: dict[str, Any],
    head: list[str],
    cells: Callable[[dict[str, Any]], list[Any]],
    what: str,
) -> str:
    rows = []
    for row in data["rows"]:
        if row["status"] == "measured":
            own = [row["parameters"].get(name, "") for name in data["varying"]]
            rows.append([
                "yes" if row["front"] else "", *(f"`{v}`" if v != "" else "" for v in own),
                *cells(row),
            ])  # fmt: skip
    names = ["front", *(f"`{name}`" for name in data["varying"])]
    return (
        f"{table([*names, *head], rows, len(names))}\n\n"
        f"{DEVICES[data['device']].title}; placements: {data['seeds']}; {what}, "
        f"seed {data['seed']}; {', '.join(data['tools'][-2:])}."
    )
