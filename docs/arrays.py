"""What elements and arrays of the core take, for ``docs/core.md``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fpga.arrays import FIGURES
from fpga.figures import committed
from fpga.rows import ROWS

DEVICE = "ecp5-85k"
_ELEMENTS = (
    "mac_exact", "mac_exact_dsp", "mac_exact_fixed", "dot8_exact_chunk", "dot8_dsp",
    "mac_hybrid_chunked",
)  # fmt: skip


def costs(table: Callable[..., str]) -> str:
    """LUTs, flip-flops and blocks for a product a clock, of units and of arrays of the core."""
    units = committed(DEVICE)
    found: list[tuple[str, int, dict[str, Any]]] = [
        (f"`{ROWS[name].unit}`: {ROWS[name].name.removesuffix('; a lane')}", ROWS[name].lanes,
         units[name])
        for name in _ELEMENTS
    ]  # fmt: skip
    arrays = json.loads(FIGURES.read_text(encoding="utf-8"))["rows"]
    found += [
        (f"array `{row['name']}`: {row['title']}", row["macs"], row)
        for row in arrays
        if "luts" in row and row["device"] == DEVICE
    ]
    lines = [
        [what, count, *(round(row[kind] / count) for kind in ("luts", "ffs", "dsps")),
         f"{row['fmax_median']:.0f}"]
        for what, count, row in found
    ]  # fmt: skip
    head = ["what", "products a clock", "LUT each", "FF each", "DSP each", "MHz"]
    return table(head, lines, 1)
