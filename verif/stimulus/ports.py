"""The payload ports of a unit, as its manifest lists them, and the arrays that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import SimulationError


@dataclass(frozen=True)
class Field:
    """A payload field: its bits within one copy's slice of the vector."""

    port: str
    offset: int
    width: int


def payload(manifest: dict[str, Any], direction: str) -> tuple[list[Field], int]:
    """The payload ports of one direction in order, and their total width."""
    fields, offset = [], 0
    for port in manifest["ports"]:
        if port["dir"] == direction and port["role"] in ("data", "config", "flag"):
            fields.append(Field(port["name"], offset, port["width"]))
            offset += port["width"]
    return fields, offset


def dtype(width: int) -> type[np.unsignedinteger[Any]]:
    """The smallest unsigned dtype that holds a port; wider than 64 bits is not supported."""
    for bits, kind in ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64)):
        if width <= bits:
            return kind
    raise SimulationError(f"a port of {width} bits is too wide for a compiled model: at most 64")
