"""How much of a device a design takes, by nextpnr's log."""

from __future__ import annotations

import re
from collections.abc import Mapping

Used = Mapping[str, tuple[int, int]]
"""By kind of cell, as nextpnr names it: how many are used, and how many there are."""

LOGIC = ("TRELLIS_COMB", "ICESTORM_LC", "LUT4")
"""What nextpnr calls the cells that hold a look-up table, by family."""
PLACEABLE = 0.8
"""The share of them beyond which the placer may take hours, or never end."""
_LINE = re.compile(r"^Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)


def utilisation(log: str) -> dict[str, tuple[int, int]]:
    """What the log says of each kind of cell."""
    return {kind: (int(used), int(has)) for kind, used, has in _LINE.findall(log)}


def logic_share(used: Used) -> float:
    """The share of the logic cells that are used."""
    return max((n / has for kind, (n, has) in used.items() if kind in LOGIC and has), default=0.0)


def too_large(used: Used, limit: float = PLACEABLE) -> list[str]:
    """Why a design is not to be placed, in words: there is too little of something, or it takes
    more of the logic than ``limit``."""
    over = [f"{kind} {n:,} of {has:,}" for kind, (n, has) in used.items() if n > has]
    if not over and logic_share(used) > limit:
        over = [f"more than {limit:.0%} of the logic"]
    return over
