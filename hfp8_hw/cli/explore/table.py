"""The points of an exploration as a table."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fpga.explore.columns import columns

SHOWN = 20
"""Refusals and failures that are printed; the JSON and the page have all."""
_POINT = 14
"""Characters for its parameters, at the least."""


def show(data: dict[str, Any], title: str, console: Console) -> None:
    """Print the measured points, the Pareto front marked, then those that are not."""
    rows = [row for row in data["rows"] if row["status"] == "measured"]
    names = data["varying"]
    every = set.intersection(*({*row["parameters"]} for row in rows)) if rows else set()
    fixed = {k: rows[0]["parameters"][k] for k in sorted(every) if k not in names}
    if fixed:
        words = " ".join(f"{k}={v}" for k, v in fixed.items())
        console.print(f"{data['unit']} {words}", markup=False, highlight=False, soft_wrap=True)
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False,
                  collapse_padding=True)  # fmt: skip
    table.add_column("", min_width=1, no_wrap=True)
    table.add_column("point", overflow="fold", min_width=_POINT)
    # Without --dsp there are no DSP blocks.
    shown = [c for c in columns(data["unit"]) if c.short and (data["dsp"] or c.short != "DSP")]
    for column in shown:
        table.add_column(column.short, justify="right", no_wrap=True)
    for row in rows:
        own = " ".join(f"{k}={v}" for k, v in row["parameters"].items() if k in names)
        table.add_row("*" if row["front"] else "", escape(own), *(c.cell(row) for c in shown),
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
