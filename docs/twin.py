"""The generated parts of docs/training.md, from the results of the PyTorch twin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import training

RESULTS = Path(__file__).resolve().parent / "results"
Table = Callable[..., str]


def _load(name: str) -> dict[str, Any] | None:
    path = RESULTS / name
    return json.loads(path.read_text()) if path.exists() else None


def kernel(table: Table) -> str:
    """A row a shape: our kernel by operands, and FP32."""
    data = _load("gpu.json")
    assert data is not None
    timed = [row for row in data["rows"] if "products_per_second" in row]
    compared = sum(row.get("compared", 0) for row in data["rows"])
    different = sum(row.get("different", 0) for row in data["rows"])

    def speed(what: str, how: str, formats: Iterable[str] | None = None) -> str:
        for row in timed:
            fits = formats is None or tuple(row["formats"]) == tuple(formats)
            if row["what"] == what and row["how"] == how and fits:
                return f"{row['products_per_second'] / 1e12:.2f}"
        return ""

    short = {"HFP8_FWD": "143", "HFP8_BWD": "152"}
    pairs = list(dict.fromkeys(tuple(r["formats"]) for r in timed if r["how"] == "kernel"))
    body = []
    for what in dict.fromkeys(row["what"] for row in timed if row["how"] == "kernel"):
        size = next(row["shape"] for row in timed if row["what"] == what)
        figures = [speed(what, "kernel", pair) for pair in pairs]
        body.append([f"{what}: {' x '.join(map(str, size))}", *figures, speed(what, "torch fp32")])
    head = ["m x n x k", *(" x ".join(short[f] for f in pair) for pair in pairs), "FP32"]
    exact = speed("square 4096", "exact_chunk", pairs[0])
    said = (
        f"On one {data['device']} with PyTorch {data['torch']}; {different} of {compared:,} codes "
        f"that were compared differ. With exact sums in each chunk (`exact_chunk`) 4096^3 runs at "
        f"{exact}."
    )
    return f"{table(head, body, 1)}\n\n{said}"


def traffic(table: Table) -> str:
    """A row a rate and scheme: seconds of an exchange, by measurement and by the model."""
    data = _load("traffic.json")
    if data is None:
        return "\nNo times under limited bandwidth were measured yet."
    body = [
        [row["workers"], row["mbit"], row["scheme"], f"{row['seconds']:.3f}", f"{row['model']:.3f}",
         f"{row['seconds'] / row['model'] - 1:+.0%}"]
        for row in data["rows"]
    ]  # fmt: skip
    head = ["workers", "Mbit/s", "exchange", "s", "model, s", "off by"]
    said = (
        "\n`python -m hfp8_hw.nn.distributed.traffic --workers 2 4 --rates 50 100` measured "
        f"{data['size']:,} weights between network namespaces of limited bandwidth, on two cores. "
        "The model is the time of a worker's own sums, and the bytes divided by the rate:\n\n"
    )
    return said + table(head, body, 3) + _on_gpus()


def _on_gpus() -> str:
    """A sentence of the exchange among GPUs of one machine."""
    data = _load("traffic-gpu.json")
    if data is None:
        return ""
    rows = data["rows"]
    times = ", ".join(f"{row['scheme']} {row['seconds'] * 1e3:.2f} ms" for row in rows)
    own = 1e3 * rows[-1]["sums"]
    return (
        f"\n\nBetween {rows[0]['workers']} {rows[0]['device']} GPUs of one machine, by NCCL and "
        f"with PyTorch {data['torch']}, {data['size']:,} weights take: {times}. There the network "
        f"is no bottleneck, and the 16-bit sums ({own:.2f} ms, which an all-reduce has hidden) "
        "outweigh the bytes that are saved: "
        "`python -m hfp8_hw.nn.distributed.traffic --device cuda --size 100000000 --repeats 9`."
    )


def results(table: Table) -> str:
    """The tables of training runs."""
    data = _load("training.json")
    if data is None or not data["rows"]:
        return "\nThe table of training runs is not measured yet."
    rows = data["rows"]
    devices = sorted({row["device"] for row in rows})
    text = table(*training.by_task(rows), 2)
    if any(row["changes"] for row in rows):
        text += "\n\nWhat each part of the scheme buys:\n\n" + table(*training.changed(rows), 1)
    return (
        text + f"\n\nMean and 95 % interval, in brackets how many seeds; on {', '.join(devices)}."
    )


def deployed(table: Table) -> str:
    """The table of models that were trained in FP32 and deployed in other arithmetics."""
    data = _load("deploy.json")
    if data is None or not data["rows"]:
        return "\nNo deployed models were scored yet."
    rows = data["rows"]
    devices = ", ".join(sorted({row["device"] for row in rows}))
    tuned = sorted({row["retune_batches"] for row in rows if row["retuned"]})
    by = f"; re-tuned by {' or '.join(map(str, tuned))} batches" if tuned else ""
    text = table(*training.deployed(rows), 3)
    return f"{text}\n\nMean and 95 % interval, in brackets how many seeds; on {devices}{by}."
