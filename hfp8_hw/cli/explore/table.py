"""The points of an exploration as a table."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from verif.simulation.compare import error_words

SHOWN = 20
"""Refusals and failures that are printed; the JSON and the page have all."""


def show(data: dict[str, Any], title: str, console: Console) -> None:
    """Print the measured points, the Pareto front marked, then those that are not."""
    rows = [row for row in data["rows"] if row["status"] == "measured"]
    names = data["varying"]
    every = set.intersection(*({*row["parameters"]} for row in rows)) if rows else set()
    fixed = {k: rows[0]["parameters"][k] for k in sorted(every) if k not in names}
    if fixed:
        words = " ".join(f"{k}={v}" for k, v in fixed.items())
        console.print(f"{data['unit']} {words}", markup=False, highlight=False, soft_wrap=True)
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    table.add_column("", min_width=1, no_wrap=True)
    table.add_column("point", overflow="fold")
    for column in ("LUT", "FF", "DSP", "MHz", "clocks", "M/s", "dB", "own"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        own = " ".join(f"{k}={v}" for k, v in row["parameters"].items() if k in names)
        table.add_row("*" if row["front"] else "", escape(own), *_figures(row),
                      style="bold" if row["front"] else "")  # fmt: skip
    if rows:
        console.print(table)
        console.print(
            f"* on the Pareto front of {', '.join(data['front'])}: no other point is as good in "
            "all of them and better in one",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    left = [row for row in data["rows"] if row["status"] != "measured"]
    for row in left[:SHOWN]:
        words = " ".join(f"{k}={v}" for k, v in (row.get("given") or row["parameters"]).items())
        console.print(f"{row['status']}: {words}: {row['reason']}",
                      markup=False, highlight=False, soft_wrap=True)  # fmt: skip
    if len(left) > SHOWN:
        console.print(f"and {len(left) - SHOWN} more", highlight=False)


def _figures(row: dict[str, Any]) -> list[str]:
    latency = "varies" if row["latency"] is None else str(row["latency"])
    return [str(row["luts"]), str(row["ffs"]), str(row["dsps"]), f"{row['fmax_median']:.1f}",
            latency, f"{row['throughput']:.1f}", error_words(row),
            error_words(row, "own_")]  # fmt: skip
