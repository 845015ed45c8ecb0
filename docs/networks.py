"""The generated parts of docs/models.md, from the scores of networks with real weights and from
reports of `hfp8 run`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hfp8_hw.models.zoo import EXAMPLES
from hfp8_hw.models.zoo.scores import ARITHMETICS, FP32, TUNINGS

RESULTS = Path(__file__).resolve().parent / "results"
Table = Callable[..., str]
Rows = dict[tuple[str, str, str], dict[str, Any]]


def scores(table: Table) -> str:
    """A row a model, a column an arithmetic; then how often the answers are FP32's."""
    listed: list[dict[str, Any]] = json.loads((RESULTS / "models.json").read_text())["rows"]
    rows = {(row["model"], row["arithmetic"], row["retuned"]): row for row in listed}
    models = [name for name in EXAMPLES if any(row["model"] == name for row in listed)]
    first, others = list(ARITHMETICS), [name for name in ARITHMETICS if name != FP32]
    head = ["model", "score", "samples", *(f"`{name}`" for name in first)]
    body = [
        [
            f"`{model}`",
            *_about(listed, model),
            *(_cell(rows, model, name, "score") for name in first),
        ]
        for model in models
    ]
    agreed = [
        [f"`{model}`", *(_cell(rows, model, name, "agreement") for name in others)]
        for model in models
    ]
    devices = sorted({row["device"] for row in listed})
    return (
        f"{table(head, body, 2)}\n\nBehind a slash: with its biases moved; behind another one: "
        "with its statistics\nestimated anew, see below. What is missing was not measured. "
        "Percent of the answers that are FP32's:\n\n"
        f"{table(['model', *(f'`{name}`' for name in others)], agreed, 1)}\n\n"
        f"On {' and '.join(devices)}."
    )


def _about(listed: list[dict[str, Any]], model: str) -> tuple[str, int]:
    row = next(row for row in listed if row["model"] == model)
    return row["unit"], row["samples"]


def _cell(rows: Rows, model: str, arithmetic: str, what: str) -> str:
    """As it is, and re-tuned."""
    found = [rows.get((model, arithmetic, tuned)) for tuned in TUNINGS]
    return " / ".join(f"{row[what]:.2f}" for row in found if row is not None)


def on_the_core(table: Table) -> str:
    """A row a model: what `hfp8 run --on sim --report` said."""
    body = []
    for name in EXAMPLES:
        path = RESULTS / f"run-{name}.json"
        if not path.exists():
            continue
        data = json.loads(path.read_text())
        core, samples = data["engine"], data["outputs"][0]["argmax_compared"]
        p = core["parameters"]
        body.append([
            f"`{name}`", samples, f"{p['rows']} x {p['cols']}", f"{core['elements']:,}",
            core["mismatches"], f"{core['macs']:,}", f"{core['clocks']:,}",
            f"{core['utilisation']:.1%}",
        ])  # fmt: skip
    head = ["model", "samples", "elements", "codes compared", "mismatches", "multiplications",
            "clocks", "utilisation"]  # fmt: skip
    return table(head, body, 1)
