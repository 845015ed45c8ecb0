"""Rows of results of training, in a file of JSON that grows by a row a run."""

from __future__ import annotations

from pathlib import Path

from ... import rows as any_rows
from ...rows import Row

__all__ = ["KEY", "Row", "add", "estimate", "load"]

KEY = ("task", "arithmetic", "seed", "changes")
"""What tells rows apart."""


def load(path: Path, names: tuple[str, ...] = KEY) -> list[Row]:
    """As `hfp8_hw.rows.load`."""
    return any_rows.load(path, names)


def add(path: Path, new: Row, names: tuple[str, ...] = KEY) -> None:
    """As `hfp8_hw.rows.add`."""
    any_rows.add(path, new, names)


def estimate(rows: list[Row], task: str, arithmetic: str, changes: Row) -> float:
    """Seconds an epoch of a run like some of the rows took, at the most; 0 if there are none."""
    like = [row for row in rows if row["task"] == task and row["arithmetic"] == arithmetic
            and row["changes"] == changes and row["epochs"]]  # fmt: skip
    return max((row["seconds"] / row["epochs"] for row in like), default=0.0)
