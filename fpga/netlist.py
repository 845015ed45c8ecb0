"""What the passes over Yosys' JSON netlists share."""

from __future__ import annotations

from collections import Counter
from typing import Any

Netlist = dict[str, Any]
Bit = int | str
"""A net's number, or a constant: ``0``, ``1``, or ``x``."""


def constant(bit: Bit) -> int | None:
    """The value of a constant bit; unknown ones are 0, None for a net."""
    return None if isinstance(bit, int) else int(bit == "1")


def readers(module: Netlist) -> Counter[Bit]:
    """How many pins read each net."""
    count: Counter[Bit] = Counter()
    for cell in module["cells"].values():
        for pin, direction in cell["port_directions"].items():
            if direction != "output":
                count.update(cell["connections"].get(pin, []))
    for port in module["ports"].values():
        if port["direction"] != "input":
            count.update(port["bits"])
    return count
