"""Verilator's line, branch and toggle coverage of a generated unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_RECORD = re.compile(r"C '(.*)' (\d+)$")
_BIT = re.compile(r"(\w+)(?:\[(\d+)\])?:([01])->[01]$")

UNUSED = "unused"
"""The wire that names bits which nothing reads: no part of the circuit."""

Change = tuple[str, int | None, int]
"""A net, its bit (None if it has only one) and the value it changes from."""


@dataclass(frozen=True)
class Place:
    """Something that coverage counts: a branch of a statement, or one bit's change.

    Members
    -------
    kind : str
        ``line``, ``branch`` or ``toggle``.
    line : int
        Of the unit's Verilog.
    what : str
        For toggles ``net[bit]:0->1``; else ``if``, ``else``, ``elsif`` or ``block``.
    column : int
    hits : int
        Summed over all copies of the unit.
    """

    kind: str
    line: int
    what: str
    column: int
    hits: int

    @property
    def change(self) -> Change | None:
        """Of a toggle."""
        match = _BIT.match(self.what) if self.kind == "toggle" else None
        if match is None:
            return None
        return match[1], None if match[2] is None else int(match[2]), int(match[3])

    @property
    def text(self) -> str:
        """For people."""
        return f"line {self.line}: {self.what}"


HEADER = "verilated_cov.h"
"""Of Verilator's run-time library, what counts changes."""

_WORD = "j < width - i * VL_EDATASIZE;"


def mended(header: str) -> str:
    """`HEADER` without a fault of Verilator 5.048: of nets of more than 64 bits, it counts a change
    of a bit as one of the same bit of every later word too."""
    return header.replace(_WORD, f"j < VL_EDATASIZE && {_WORD}")


def places(path: Path, top: str) -> list[Place]:
    """Those of one module, in the order of its lines, from Verilator's ``coverage.dat``.

    The file has a line ``C 'fields' count`` for every place; fields are a name, \\x02 and a value,
    each after \\x01: l the line, n the column, o the comment, page the kind and the module.
    """
    counts: dict[tuple[str, int, str, int], int] = {}
    for row in path.read_text(encoding="utf-8").splitlines():
        match = _RECORD.match(row)
        if match is None:
            continue
        fields = dict(part.split("\x02", 1) for part in match[1].split("\x01") if part)
        kind, _, module = fields["page"].removeprefix("v_").partition("/")
        if module != top or fields["o"].startswith(f"{UNUSED}:"):
            continue
        key = kind, int(fields["l"]), fields["o"], int(fields["n"])
        counts[key] = counts.get(key, 0) + int(match[2])
    found = [Place(*key, hits) for key, hits in counts.items()]
    return sorted(found, key=lambda place: (place.line, place.column, place.what))
