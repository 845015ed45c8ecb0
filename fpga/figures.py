"""Measuring the table of figures, and holding new figures against the committed ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hfp8_hw.parameters import unit_parameters
from rtl_gen.package import generate

from .rows import ROWS, Row
from .synth import Report, synthesise

RESULTS = Path(__file__).resolve().parent / "results"
AREA_SLACK, FMAX_SLACK = 0.05, 0.08


def measure(row: Row, device: str, step: Callable[[str], None], jobs: int | None = None) -> Report:
    """Generate the row's unit and put it through the flow."""
    package = generate(unit_parameters(row.unit, row.parameters))
    return synthesise(package, device, dsp=row.dsp, step=step, jobs=jobs)


def committed(device: str) -> dict[str, Any]:
    """The committed figures of a device by row; empty where there are none."""
    path = RESULTS / f"{device}.json"
    if not path.exists():
        return {}
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def worse(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """What is worse than before by more than is allowed, in words."""
    found = []
    for what in ("luts", "dsps"):
        if new[what] > old[what] * (1 + AREA_SLACK):
            found.append(f"{what} {old[what]} -> {new[what]}")
    if new["fmax_median"] < old["fmax_median"] * (1 - FMAX_SLACK):
        found.append(f"Fmax {old['fmax_median']} -> {new['fmax_median']} MHz")
    return found


__all__ = ["RESULTS", "ROWS", "committed", "measure", "worse"]
