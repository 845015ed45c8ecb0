"""The core's table of figures: which arrays are measured, and the file that keeps them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfp8_hw.errors import ParameterError
from hfp8_hw.files import write_whole

from .figures import RESULTS
from .synth import Report

FIGURES = RESULTS / "core.json"
_PRODUCTS = ("256x256x256", "64x64x64", "16x16x512")


@dataclass(frozen=True)
class CoreArray:
    """One array.

    Members
    -------
    title : what it is, in words
    parameters : as for ``hfp8 gen core``
    products : "MxNxK" whose utilisation is measured
    device : of `fpga.devices`
    goal : at most so many LUTs, so many DSP blocks, at least so many MHz
    dsp : whether DSP blocks may be used
    """

    title: str
    parameters: dict[str, Any]
    products: tuple[str, ...] = _PRODUCTS
    device: str = "ecp5-85k"
    goal: tuple[int, int, int] | None = None
    dsp: bool = False


ARRAYS: dict[str, CoreArray] = {
    "exact_256": CoreArray(
        "143 x 143, exact sums, 4 x 8 elements of 8 lanes",
        {"a": "HFP8_FWD", "b": "HFP8_FWD", "rows": 4, "cols": 8, "lanes": 8,
         "a_beat": 16, "b_beat": 16, "a_size": 65536, "b_size": 65536},
        goal=(58000, 0, 125),
    ),
    "dsp_128": CoreArray(
        "E4M3FN, exact sums, a DSP block for each product, 4 x 4 elements of 8 lanes",
        {"a": "E4M3FN", "b": "E4M3FN", "align": "dsp", "rows": 4, "cols": 4, "lanes": 8,
         "a_size": 65536, "b_size": 65536},
        goal=(16000, 128, 130),
        dsp=True,
    ),
    "chunked_64": CoreArray(
        "143 and 152 by mode, IBM's order in chunks of 64, 8 x 8 elements",
        {"semantics": "chunked", "rows": 8, "cols": 8, "a_size": 65536, "b_size": 65536},
        goal=(40000, 0, 120),
    ),
    "exact_64": CoreArray(
        "143 x 143, exact sums, 4 x 4 elements of 4 lanes",
        {"a": "HFP8_FWD", "b": "HFP8_FWD", "rows": 4, "cols": 4, "lanes": 4,
         "a_size": 16384, "b_size": 16384},
        ("64x64x64", "16x16x256"),
    ),
    "dsp_32": CoreArray(
        "E4M3FN, exact sums, a DSP block for each product, 4 x 4 elements of 2 lanes",
        {"a": "E4M3FN", "b": "E4M3FN", "align": "dsp", "rows": 4, "cols": 4, "lanes": 2,
         "a_size": 16384, "b_size": 16384},
        ("64x64x64", "16x16x256"),
        dsp=True,
    ),
    "chunked_16": CoreArray(
        "143 and 152 by mode, IBM's order in chunks of 64, 4 x 4 elements",
        {"semantics": "chunked", "rows": 4, "cols": 4},
        ("64x64x64", "16x16x256"),
    ),
    "smallest": CoreArray(
        "143 x 143, exact sums, 1 x 2 elements of one lane",
        {"a": "HFP8_FWD", "b": "HFP8_FWD", "rows": 1, "cols": 2, "lanes": 1,
         "a_size": 1024, "b_size": 2048, "terms": 1024},
        ("32x32x32", "8x8x128"),
        "ice40-up5k",
    ),
}  # fmt: skip


def check_file(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of figures; none if there is no such file.

    Raises
    ------
    ParameterError
        If it holds something else.
    """
    if not path.exists():
        return []
    try:
        # A pipe or a device may never end.
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError:
        found = None
    rows = found.get("rows") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(r, dict) and "name" in r for r in rows):
        raise ParameterError(
            f"json={str(path)!r} is not allowed: it is there, and has no rows with names"
        )
    return rows


def area(report: Report) -> dict[str, Any]:
    """What a row has of area and clock."""
    return {**report.to_dict(), "seeds": len(report.fmax)}


def keep(path: Path, name: str, fresh: dict[str, Any]) -> None:
    """Put a row in a file of figures; all other rows stay as they are, and so does what was
    measured of the same Verilog."""
    rows = {row["name"]: row for row in check_file(path)}
    old = rows.get(name, {})
    if old.get("sha256") != fresh["sha256"]:
        old = {}
    utilisation = {**old.get("utilisation", {}), **fresh.get("utilisation", {})}
    rows[name] = {**old, **fresh}
    if utilisation:
        rows[name]["utilisation"] = utilisation
    order = [*ARRAYS, *(other for other in rows if other not in ARRAYS)]
    data = {"rows": [rows[one] for one in order if one in rows]}
    write_whole(path, (json.dumps(data, indent=2) + "\n").encode())
