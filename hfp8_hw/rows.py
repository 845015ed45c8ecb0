"""Rows of results, in a file of JSON that grows by a row a run.

What tells a row from others are the values of some of its names, its key.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import ParameterError
from .files import one_at_a_time, write_whole

Row = dict[str, Any]


def key(row: Row, names: tuple[str, ...]) -> str:
    """What tells a row from others; one with the same replaces it."""
    return json.dumps([row.get(name) for name in names], sort_keys=True)


def load(path: Path, names: tuple[str, ...]) -> list[Row]:
    """The rows of a file, which all have the names of a key; none if there is no such file.

    Raises
    ------
    ParameterError
        If it is no file of results.
    """
    if not path.exists():
        return []
    try:
        if not path.is_file():  # a pipe or a device may never end
            raise ValueError
        rows = json.loads(path.read_bytes())["rows"]
        if not all(isinstance(row, dict) and set(names) <= row.keys() for row in rows):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ParameterError(
            f"json={str(path)!r} is not allowed: it is there and has no rows of this kind"
        ) from None
    return list(rows)


def merge(rows: list[Row], new: Row, names: tuple[str, ...]) -> list[Row]:
    """The rows with a new one, which takes the place of the one with its key, sorted."""
    kept = [row for row in rows if key(row, names) != key(new, names)]
    return sorted([*kept, new], key=lambda row: key(row, names))


def add(path: Path, new: Row, names: tuple[str, ...]) -> None:
    """Write a file of results with one more row, whole; runs that end together wait for each
    other."""
    with one_at_a_time(path):
        lines = (json.dumps(row, allow_nan=False) for row in merge(load(path, names), new, names))
        write_whole(path, ('{"rows": [\n ' + ",\n ".join(lines) + "\n]}\n").encode())
