"""The generated part of docs/models.md, from the scores of networks with real weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hfp8_hw.models.zoo.scores import ARITHMETICS

RESULTS = Path(__file__).resolve().parent / "results" / "models.json"
Table = Callable[..., str]


def scores(table: Table) -> str:
    """A row a model, a column an arithmetic; then how often the answers are FP32's."""
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text())["rows"]
    by_key = {(row["model"], row["arithmetic"]): row for row in rows}
    models = sorted(dict.fromkeys(row["model"] for row in rows), key=_place)
    parts = [_table(table, by_key, models, "score"), _table(table, by_key, models, "agreement")]
    devices = sorted({row["device"] for row in rows})
    return (
        f"{parts[0]}\n\nAn empty cell was not measured. Percent of the answers that are FP32's:"
        f"\n\n{parts[1]}\n\nOn {' and '.join(devices)}."
    )


def _place(name: str) -> tuple[int, str]:
    known = ["digits_mlp", "digits_cnn", "text_direction", "magika", "basic_pitch"]
    return (known.index(name) if name in known else len(known), name)


def _table(table: Table, rows: dict[tuple[str, str], Any], models: list[str], what: str) -> str:
    body = []
    for model in models:
        own = next(row for (name, _), row in rows.items() if name == model)
        unit = own["unit"] if what == "score" else ""
        found = [rows.get((model, name)) for name in ARITHMETICS]
        cells = ["" if row is None else f"{row[what]:.2f}" for row in found]
        named = [f"`{model}`", *([unit, own["samples"]] if what == "score" else [])]
        body.append([*named, *(cells if what == "score" else cells[1:])])
    columns = [f"`{name}`" for name in ARITHMETICS]
    if what == "score":
        return table(["model", "score", "samples", *columns], body, 2)
    return table(["model", *columns[1:]], body, 1)
