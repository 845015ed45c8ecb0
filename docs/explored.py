"""The table of docs/howto/explore.md: the points of its example."""

from __future__ import annotations

import json
from collections.abc import Callable

from fpga.devices import DEVICES
from fpga.figures import RESULTS
from verif.simulation.compare import error_words

POINTS = RESULTS / "explore-mac.json"


def points(table: Callable[..., str]) -> str:
    """A row a point, from ``fpga/results/explore-mac.json``."""
    data = json.loads(POINTS.read_text())
    rows = []
    for row in data["rows"]:
        if row["status"] != "measured":
            continue
        own = [row["parameters"].get(name, "") for name in data["varying"]]
        rows.append([
            "yes" if row["front"] else "", *(f"`{v}`" if v != "" else "" for v in own),
            row["luts"], row["ffs"], f"{row['fmax_median']:.0f}",
            "varies" if row["latency"] is None else row["latency"],
            f"{row['throughput']:.0f}", error_words(row), error_words(row, "own_"),
        ])  # fmt: skip
    head = ["front", *(f"`{name}`" for name in data["varying"]), "LUT", "FF", "MHz",
            "latency, clocks", "million products/s", "SQNR, dB", "its own, dB"]  # fmt: skip
    work = data["workload"]
    return (
        f"{table(head, rows, 1 + len(data['varying']))}\n\n"
        f"{DEVICES[data['device']].title}; placements: {data['seeds']}; {work['results']:,} sums "
        f"of {work['products']:,} products, seed {data['seed']}; {', '.join(data['tools'][-2:])}."
    )
