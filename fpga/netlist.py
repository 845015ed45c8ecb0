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


def flop_control(flop: Netlist) -> tuple[Bit, Bit, bool]:
    """(clock, enable, whether it does what a register in a block cannot)."""
    wires = flop["connections"]
    # Yosys writes a blank behind a text that could be read as a number.
    how = {name: value.strip() for name, value in flop["parameters"].items()}
    enable: Bit = wires["CE"][0] if how.get("CEMUX") == "CE" else "1"
    plain = how.get("CLKMUX", "CLK") == "CLK" and how.get("CEMUX", "1") in ("CE", "1")
    plain &= how.get("REGSET", "RESET") == "RESET"
    resets = how.get("LSRMUX") == "LSR" and wires.get("LSR", ["0"])[0] != "0"
    return wires["CLK"][0], enable, resets or not plain
