"""The page of a run of an ONNX model: what ``hfp8 run`` measured."""

from __future__ import annotations

import math
from typing import Any

from .charts import histogram, sqnr_chart
from .page import template

SIGNIFICANT = 3.0
"""Decibels: how much worse a node has to be than its operands for more than them to be at fault."""

SHARE = 1e-4
"""The share of an operand's elements from which on it is worth a word."""


def render_run(data: dict[str, Any]) -> str:
    """HTML that needs nothing else, from the figures that ``hfp8 run --report`` writes."""
    nodes = [node | {"lost": lost(node)} for node in data["nodes"]]
    return template("run.html").render(
        data=data, nodes=nodes, chart=sqnr_chart(nodes), histogram=histogram,
        macs=sum(node["macs"] for node in nodes if node["where"] == "hfp8"),
        host=[node for node in data["plan"] if node["where"] == "host"],
    )  # fmt: skip


def lost(node: dict[str, Any]) -> str:
    """Where a node loses bits, by what was measured."""
    if node["own_sqnr_db"] is None:
        return ""
    found = []
    operands = [(name, node[key]) for name, key in (("first", "a"), ("second", "b")) if node[key]]
    for name, one in operands:
        for kind, words in (("saturated", "is beyond the range"), ("zeroed", "becomes 0")):
            if one[kind] >= SHARE * one["elements"]:
                found.append(f"{one[kind] / one['elements']:.2%} of the {name} operand {words}")
    sqnrs = [one["sqnr_db"] for _, one in operands if one["sqnr_db"] is not None]
    if sqnrs:
        # The noises of both operands add up.
        both = -10 * math.log10(sum(10 ** (-value / 10) for value in sqnrs))
        if node["own_sqnr_db"] < both - SIGNIFICANT:
            more = both - node["own_sqnr_db"]
            found.append(
                f"{more:.0f} dB more than its operands' rounding: sums cancel, or are rounded"
            )
    if node["overflown"]:
        found.append(f"{node['overflown']:,} sums are not finite")
    if node["sqnr_db"] is not None and node["sqnr_db"] < node["own_sqnr_db"] - SIGNIFICANT:
        found.append(f"{node['own_sqnr_db'] - node['sqnr_db']:.0f} dB came with its inputs")
    return "; ".join(found) or "rounding of its operands"
