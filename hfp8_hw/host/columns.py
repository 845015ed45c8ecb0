"""Columns of integers, by port, as the bytes that go to a board and come from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, shown
from ..records import Field, Record

Columns = Mapping[str, NDArray[Any]]


def packed(record: Record, columns: Columns, prefix: str = "i_") -> NDArray[np.uint8]:
    """(transfers, bytes) of a record's fields, each in the column ``prefix`` and its name.

    Raises
    ------
    ParameterError
        If a port has no column or a column no port, if they are not arrays of integers of one
        length, or if a value does not fit its field. Negative ones are two's complement.
    """
    names = [prefix + field.name for field in record.fields]
    if not isinstance(columns, Mapping) or set(columns) != set(names):
        given = list(columns) if isinstance(columns, Mapping) else columns
        raise ParameterError(f"columns={shown(given)} is not allowed: of {', '.join(names)}")
    count = None
    parts = []
    for name, field in zip(names, record.fields, strict=True):
        column = _checked(name, columns[name], field)
        count = len(column) if count is None else count
        if len(column) != count:
            raise ParameterError(
                f"{name} of {len(column)} transfers is not allowed: {names[0]} has {count}"
            )
        for k in range(field.bytes):
            bits = min(8, field.width - 8 * k)
            parts.append(((column >> (8 * k)) & ((1 << bits) - 1)).astype(np.uint8))
    return np.stack(parts, axis=1)


def _checked(name: str, values: object, field: Field) -> NDArray[Any]:
    """A column of a field, as integers of more bits than it has."""
    column = np.asarray(values)
    integers = column.dtype.kind in "bui" or (
        column.dtype == object and all(isinstance(value, int) for value in column.flat)
    )
    if column.ndim != 1 or not integers:
        raise ParameterError(
            f"{name} of shape {column.shape} and dtype {column.dtype} is not allowed: a column of "
            "integers; floats go by their bits, x.view(np.uint32)"
        )
    low, high = -(1 << field.width - 1), (1 << field.width) - 1
    if len(column) and not low <= int(column.min()) <= int(column.max()) <= high:
        wrong = next(value for value in map(int, column) if not low <= value <= high)
        raise ParameterError(f"{name}={wrong} is not allowed: an integer of {field.width} bits")
    return column.astype(np.int64 if field.width < 64 else object)


def unpacked(record: Record, data: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """The fields of (results, bytes), as int64 or, of more than 63 bits, as Python integers."""
    found: dict[str, NDArray[Any]] = {}
    for field in record.fields:
        wide = field.width > 63
        value = np.zeros(len(data), object if wide else np.int64)
        for k in range(field.bytes):
            part = data[:, field.byte + k].astype(object if wide else np.int64)
            value = value | (part << (8 * k))
        found[field.name] = value
    return found
