"""Whether a row of a file is one that `point.measure` gives: files come from outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from hfp8_hw.parameters import CoreParameters

from .core import FIGURES as CORE_FIGURES
from .error import Error
from .point import AREA, TIMING, Row

Kind = Callable[[Any], bool]


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _or_none(kind: Kind) -> Kind:
    return lambda value: value is None or kind(value)


def _some(kind: Kind) -> Kind:
    return lambda value: isinstance(value, list) and bool(value) and all(map(kind, value))


def _value(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _parameters(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_value, value.values()))


_BY_TYPE: dict[str, Kind] = {
    "float | None": _or_none(_number),
    "bool": lambda value: isinstance(value, bool),
    "int": _count,
    "str": _text,
}
FIGURES: dict[str, Kind] = {
    **dict.fromkeys(AREA, _count),
    **dict.fromkeys(TIMING, _or_none(_count)),
    "fmax": _some(_number),
    "fmax_median": _number,
    "interval": _count,
    "latency_ns": _or_none(_number),
    "throughput": _number,
    **{one.name: _BY_TYPE[str(one.type)] for one in fields(Error)},
    "unit": _text,
    "parameters": _parameters,
    "sha256": _text,
    "tools": _some(_text),
}
"""What every row has that is measured, and of what kind it is."""
_OF_A_CORE: dict[str, Kind] = dict.fromkeys(CORE_FIGURES, _number)


def sound(row: Row) -> bool:
    """Whether a measured row has all of them, and that of a core its own."""
    wanted = FIGURES | (_OF_A_CORE if row.get("unit") == CoreParameters.unit else {})
    return all(name in row and kind(row[name]) for name, kind in wanted.items())
