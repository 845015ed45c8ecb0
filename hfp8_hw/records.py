"""Records of whole bytes: how the fields of a stream lie on a bus or a link.

Fields lie one after the other in the order of the ports, each from a byte of its own on, lowest
byte first. A field narrower than its bytes has its bits at the low end; the rest is ignored on the
way in and 0 on the way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """One field: its bits begin at bit 0 of byte ``byte``."""

    name: str
    width: int
    byte: int

    @property
    def bytes(self) -> int:
        """How many bytes it takes."""
        return -(-self.width // 8)


@dataclass(frozen=True)
class Record:
    """The fields of one transfer."""

    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        """Bytes of the record."""
        return sum(field.bytes for field in self.fields)

    def to_list(self) -> list[dict[str, int | str]]:
        """For JSON: name, width, and the first byte of each field."""
        return [{"name": f.name, "width": f.width, "byte": f.byte} for f in self.fields]


def record(fields: Iterable[tuple[str, int]]) -> Record:
    """Lay out fields, given as (name, width in bits)."""
    placed: list[Field] = []
    byte = 0
    for name, width in fields:
        placed.append(Field(name, width, byte))
        byte += placed[-1].bytes
    return Record(tuple(placed))


def stream_record(manifest: Mapping[str, Any], prefix: str) -> Record:
    """The record of a unit's input (``i_``) or output stream (``o_``), from its manifest."""
    return record(
        (port["name"].removeprefix(prefix), port["width"])
        for port in manifest["ports"]
        if port["name"].startswith(prefix) and port["role"] not in ("valid", "ready")
    )
