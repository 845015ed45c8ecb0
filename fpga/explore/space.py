"""The configurations to explore, from a TOML file.

unit = "mac"                # optional: it has to be the command's
[fixed]                     # optional: values that every point has
a = "HFP8_FWD"
[parameters]                # lists of values; all combinations are points
semantics = ["exact_chunk", "chunked"]
stages = [2, 3]
[[points]]                  # optional: points besides
semantics = "exact"
[workload]                  # optional: the size of the seeded one
results = 4096
products = 256
sizes = ["64x64x64"]        # of a core, in place of these two: M, N and K of its products
quantize = true             # and whether its results are in the format y
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hfp8_hw.errors import ParameterError, check_int, shown
from hfp8_hw.jobs import Size, parse_size
from hfp8_hw.parameters import GENERATED, CoreParameters, UnitParameters, unit_parameters
from rtl_gen.config import read_toml

MOST_POINTS = 10_000
MOST_NUMBERS = 1 << 24
"""In one array of the seeded workload, or in all matrices of a core's that are the same operand."""
MOST_SIZES = 100
RESULTS, PRODUCTS = 4096, 256
SIZES: tuple[Size, ...] = ((64, 64, 64),)
"""Of the seeded workload, where the file has no others."""

_KEYS = ("unit", "fixed", "parameters", "points", "workload")
Given = dict[str, int | str]


@dataclass(frozen=True)
class Refused:
    """A combination that the unit does not take, and why."""

    given: Given
    reason: str


@dataclass(frozen=True)
class Space:
    """What to explore.

    Members
    -------
    points : list of UnitParameters
        Each once, in the order of the file.
    refused : list of Refused
    results, products : int
        Size of the seeded workload: results, and products in each where the unit sums.
    sizes : tuple of (int, int, int)
        Of a core's seeded workload: M, N and K of each product; none for a unit.
    quantize : bool
        Whether a core's results are quantized.
    """

    points: list[UnitParameters]
    refused: list[Refused]
    results: int = RESULTS
    products: int = PRODUCTS
    sizes: tuple[Size, ...] = ()
    quantize: bool = False


def load(path: Path, unit: str) -> Space:
    """Read the space of a unit.

    Raises
    ------
    ParameterError
        If the file cannot be read, is no TOML or no space, names a parameter that the unit lacks,
        or has no combination that the unit takes.
    """
    data = read_toml("space", path)
    try:
        return _space(data, unit)
    except ParameterError as error:
        raise ParameterError(f"space={str(path)!r}: {error}") from None


def _space(data: dict[str, Any], unit: str) -> Space:
    for key in data:
        if key not in _KEYS:
            raise ParameterError(f"{key!r} is not allowed: one of {', '.join(_KEYS)}")
    if data.get("unit", unit) != unit:
        raise ParameterError(
            f"unit={shown(data['unit'])} is not allowed: the command's is {unit!r}"
        )
    work = _work(_table(data, "workload"), unit)
    points: dict[str, UnitParameters] = {}
    refused: dict[str, Refused] = {}
    for given in _combinations(data, unit):
        try:
            parameters = unit_parameters(unit, given)
            points.setdefault(repr(parameters.to_dict()), parameters)
        except ParameterError as error:
            refused.setdefault(repr(given), Refused(given, str(error)))
    if not points:
        first = next(iter(refused.values())).reason
        raise ParameterError(f"no combination is one that {unit} takes; of the first: {first}")
    return Space(list(points.values()), list(refused.values()), **work)


def _work(given: dict[str, Any], unit: str) -> dict[str, Any]:
    """The size of the seeded workload: members of `Space`."""
    allowed = ("sizes", "quantize") if unit == CoreParameters.unit else ("results", "products")
    for name in given:
        if name not in allowed:
            raise ParameterError(
                f"workload: {name!r} is not allowed for {unit}: only {' and '.join(allowed)}"
            )
    if unit == CoreParameters.unit:
        quantize = given.get("quantize", False)
        if not isinstance(quantize, bool):
            raise ParameterError(
                f"workload: quantize={shown(quantize)} is not allowed: true or false"
            )
        sizes = _sizes(given["sizes"]) if "sizes" in given else SIZES
        return {"sizes": sizes, "quantize": quantize}
    results = check_int("workload: results", given.get("results", RESULTS), 1, MOST_NUMBERS)
    products = check_int("workload: products", given.get("products", PRODUCTS), 1, MOST_NUMBERS)
    if results * products > MOST_NUMBERS:
        raise ParameterError(
            f"workload: results={results!r} times products={products!r} is not allowed: at most "
            f"{MOST_NUMBERS}"
        )
    return {"results": results, "products": products}


def _sizes(given: object) -> tuple[Size, ...]:
    """M, N and K of each product."""
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_SIZES:
        raise ParameterError(
            f"workload: sizes={shown(given)} is not allowed: a list of 1 to {MOST_SIZES} sizes"
        )
    found = tuple(parse_size("workload: sizes", one) for one in given)
    for what, count in (
        ("A", sum(m * k for m, _, k in found)), ("B", sum(k * n for _, n, k in found)),
        ("C", sum(m * n for m, n, _ in found)),
    ):  # fmt: skip
        if count > MOST_NUMBERS:
            raise ParameterError(
                f"workload: sizes={shown(given)} is not allowed: at most {MOST_NUMBERS} numbers in "
                f"all matrices {what}, and these have {count}"
            )
    return found


def _combinations(data: dict[str, Any], unit: str) -> Iterator[Given]:
    """All of the file, some more than once."""
    fixed = _values(unit, _table(data, "fixed"), "fixed")
    crossed = _table(data, "parameters")
    explicit = data.get("points", [])
    if not isinstance(explicit, list):
        raise ParameterError(f"points={shown(explicit)} is not allowed: tables [[points]]")
    for name, values in crossed.items():
        _check_name(unit, name, "parameters")
        if name in fixed:
            raise ParameterError(f"parameters: {name!r} is not allowed: it is in [fixed]")
        if not isinstance(values, list) or not values:
            raise ParameterError(
                f"parameters: {name}={shown(values)} is not allowed: a list of values, one or more"
            )
    count = math.prod(len(values) for values in crossed.values()) if crossed else 0
    count += len(explicit)
    if count > MOST_POINTS:
        raise ParameterError(f"{count:,} points are not allowed: at most {MOST_POINTS:,}")
    for name, values in crossed.items():
        for value in values:
            _values(unit, {name: value}, "parameters")
    own = [_values(unit, table, "points") for table in explicit]
    if not crossed and not own:
        raise ParameterError("there are no points: lists in [parameters], or tables [[points]]")
    if crossed:
        for combination in itertools.product(*crossed.values()):
            yield {**fixed, **dict(zip(crossed, combination, strict=True))}
    yield from ({**fixed, **given} for given in own)


def _table(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name, {})
    if not isinstance(found, dict):
        raise ParameterError(f"{name}={shown(found)} is not allowed: a table")
    return found


def _values(unit: str, table: object, where: str) -> Given:
    """A table of a value for each parameter."""
    if not isinstance(table, dict):
        raise ParameterError(f"{where}: {shown(table)} is not allowed: a table")
    for name, value in table.items():
        _check_name(unit, name, where)
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ParameterError(
                f"{where}: {name}={shown(value)} is not allowed: an integer or a text"
            )
    return table


def _check_name(unit: str, name: str, where: str) -> None:
    names = [f.name for f in fields(GENERATED[unit])]
    if name not in names:
        raise ParameterError(
            f"{where}: {name!r} is not allowed: {unit} has no such parameter, only "
            f"{', '.join(names)}"
        )
