"""The page: what is counted and shown of a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from hfp8_hw import __version__
from hfp8_hw.parameters import GENERATED
from verif.coverage.cover import KINDS, bins, code
from verif.simulation.verify import label

from .load import FAILED, GOOD, OPEN, Check, Run

_HERE = Path(__file__).parent

METHODS = {
    "icarus": "Icarus",
    "verilator": "Verilator",
    "sweep": "sweeps",
    "proof": "proofs",
    "mutation": "mutants",
    "coverage": "coverage",
}


def template(name: str) -> Template:
    """A page's template, with what all pages have: the filter ``number``, version and style."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = lambda n: f"{n:,}"
    style = (_HERE / "style.css").read_text(encoding="utf-8")
    return environment.get_template(name, globals={"version": __version__, "style": style})


def render(run: Run) -> str:
    """HTML that needs nothing else: styles, script and data are in it."""
    return template("page.html").render(
        run=run,
        counts=Counter(check.status for check in run.checks),
        vectors=_simulated(run),
        swept=sum(c.amount or 0 for c in run.checks if c.method == "sweep"),
        methods=METHODS,
        present=[m for m in METHODS if any(c.method == m for c in run.checks)],
        statuses=(GOOD, OPEN, FAILED),
        units=[unit_page(run, unit) for unit in run.units],
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
        heat=heat(run.coverage),
    )


def _simulated(run: Run) -> int:
    """Results compared in simulation; of a run that is in two files, once."""
    once = {c.replay: c.amount or 0 for c in run.checks if c.method in ("icarus", "verilator")}
    return sum(once.values())


def unit_page(run: Run, unit: str) -> dict[str, Any]:
    """What the page of a unit shows."""
    checks = [check for check in run.checks if check.unit == unit]
    coverage = [row for row in run.coverage if row["unit"] == unit]
    return {
        "name": unit,
        "summary": GENERATED[unit].summary,
        "status": worst(check.status for check in checks),
        "checks": checks,
        "cells": {method: cell(method, checks) for method in METHODS},
        "proofs": proofs(checks),
        "coverage": [_covered(row) for row in coverage],
        "mutants": [_mutants(data) for data in run.mutants if data["unit"] == unit],
        "figures": [figure for figure in run.figures if figure["unit"] == unit],
    }


def worst(statuses: Iterable[str]) -> str:
    """The worst of some; empty if there are none."""
    found = set(statuses)
    return next((status for status in (FAILED, OPEN, GOOD) if status in found), "")


def cell(method: str, checks: list[Check]) -> dict[str, Any]:
    """What the summary says of a unit's checks of one method."""
    own = [check for check in checks if check.method == method]
    good = sum(check.status == GOOD for check in own)
    text = f"{good} of {len(own)}" if own else ""
    if method == "mutation" and own:
        text = ", ".join(check.what.removesuffix(" mutants killed") for check in own)
    amount = sum(check.amount or 0 for check in own) if method not in ("mutation",) else 0
    return {"text": text, "amount": amount, "status": worst(check.status for check in own)}


def proofs(checks: list[Check]) -> dict[str, Any]:
    """Properties, and a row a configuration with the status of each."""
    own = [check for check in checks if check.method == "proof"]
    names = list(dict.fromkeys(check.what for check in own))
    rows: dict[str, dict[str, Check]] = {}
    for check in own:
        rows.setdefault(check.parameters, {})[check.what] = check
    return {"properties": names, "rows": rows}


def _covered(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "label": label(row["parameters"]),
        "bins": bins(row),
        "code": [code(row)[kind] for kind in KINDS],
        "unreachable": row["unreachable"],
        "holes": row["holes"],
    }


def _mutants(data: dict[str, Any]) -> dict[str, Any]:
    words = Counter(
        f"killed by {m['by']}" if m["status"] == "killed" else m["status"] for m in data["mutants"]
    )
    left = [m for m in data["mutants"] if m["status"] in ("survived", "open")]
    return {"label": label(data["parameters"]), "counts": words.most_common(), "left": left,
            "all": len(data["mutants"])}  # fmt: skip


def heat(coverage: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By unit its crosses, each with counts by rounding, summed over configurations.

    In counts, 0 is a bin that some configuration should have hit, -1 one that none has, -2 one
    that was proved unreachable wherever it is.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in coverage:
        for cross in row["crosses"]:
            key = json.dumps([cross[k] for k in ("name", "points", "bins")])
            entry = found.setdefault(row["unit"], {}).setdefault(
                key, {k: cross[k] for k in ("name", "points", "bins")} | {"by": {}}
            )
            for rounding in dict.fromkeys(("all", row["rounding"] or "all")):
                old = entry["by"].get(rounding)
                new = cross["counts"]
                entry["by"][rounding] = new if old is None else _merged(old, new)
    return {unit: list(entries.values()) for unit, entries in found.items()}


def _merged(old: list[int], new: list[int]) -> list[int]:
    """Hits add up; a hit hides a hole elsewhere, a hole what is unreachable elsewhere."""
    return [a + b if a > 0 and b > 0 else max(a, b) if max(a, b) >= 0 else min(a, b)
            for a, b in zip(old, new, strict=True)]  # fmt: skip
