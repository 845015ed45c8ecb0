"""Functional coverage: points and crosses as `coverage.toml` lists them, counted over arrays."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl_gen.package import Package

from ..simulation.simulate import Outcome, Phase
from .measures import Items, Measured, bins_of, measure, observed

FILE = Path(__file__).with_name("coverage.toml")

ABSENT, UNREACHABLE = -1, -2
"""In counts: a bin that the configuration does not have; one that was proved not to occur."""


@dataclass(frozen=True)
class Cross:
    """What is crossed: names of points, such as ``class a``."""

    name: str
    points: tuple[str, ...]


@dataclass(frozen=True)
class Never:
    """Bins of a cross that cannot be hit, and why; points that are not named may be anything."""

    cross: str
    bins: dict[str, tuple[str, ...]]
    why: str

    def covers(self, cross: Cross, bins: dict[str, str]) -> bool:
        """Whether it speaks of a bin of a cross."""
        return self.cross == cross.name and all(
            bins.get(point) in names for point, names in self.bins.items()
        )


@dataclass
class Tally:
    """The counts of one cross: an axis a point, in the order of its bins.

    ``unexpected`` are bins that were hit though the configuration should not have them.
    """

    cross: Cross
    bins: list[list[str]]
    counts: NDArray[np.int64]
    unexpected: list[dict[str, str]] = field(default_factory=list)

    def add(self, columns: Sequence[NDArray[np.int64]]) -> None:
        """Count samples, by the indices of their bins; -1 where a point has no value."""
        stacked = np.stack([np.ravel(column) for column in columns])
        stacked = stacked[:, (stacked >= 0).all(axis=0)]
        flat = np.ravel_multi_index(tuple(stacked), self.counts.shape)
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    def named(self, index: tuple[int, ...]) -> dict[str, str]:
        """A bin's names by point."""
        return {point: names[k] for point, names, k in
                zip(self.cross.points, self.bins, index, strict=True)}  # fmt: skip

    def where(self, count: int) -> list[tuple[int, ...]]:
        """The bins with a count."""
        return [tuple(int(k) for k in index) for index in np.argwhere(self.counts == count)]

    @property
    def hit(self) -> int:
        """How many bins were hit."""
        return int((self.counts > 0).sum())

    @property
    def reachable(self) -> int:
        """How many there are, less those that are known not to occur."""
        return int((self.counts >= 0).sum())


@dataclass
class Functional:
    """What a run covered.

    Members
    -------
    tallies : list of Tally
    wrong : list of str
        Bins that were hit and cannot be, by `coverage.toml`.
    """

    tallies: list[Tally] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8-sig"))


def crosses(unit: str) -> list[Cross]:
    """Those of a unit."""
    return [Cross(table["name"], tuple(table["points"])) for table in _file()["cross"]
            if unit in table["units"] or table["units"] == ["*"]]  # fmt: skip


def nevers(package: Package) -> list[Never]:
    """What cannot be in a unit."""
    kind = "sum" if package.manifest["golden"]["sum"] is not None else "single"
    found = []
    for table in _file()["never"]:
        given = package.manifest["parameters"]
        if table["of"] == kind and all(given[k] == v for k, v in table.get("given", {}).items()):
            bins = {point: tuple(names) for point, names in table["bins"].items()}
            found.append(Never(table["cross"], bins, table["why"]))
    return found


def cover(package: Package, phases: Sequence[Phase], outcome: Outcome) -> Functional:
    """Count what a run drove and what came out."""
    items = [Items(package, phase.inputs, outputs)
             for phase, outputs in zip(phases, outcome.outputs, strict=True)]  # fmt: skip
    found = Functional()
    for cross in crosses(package.manifest["unit"]):
        tally = _tally(package, cross, items, outcome.handshakes)
        if tally is not None:
            found.tallies.append(tally)
            _judge(tally, nevers(package), found.wrong)
    return found


def _tally(
    package: Package, cross: Cross, items: list[Items], handshakes: dict[str, Any]
) -> Tally | None:
    """The counts of a cross; None where the configuration lacks one of its points."""
    names = [_file()["measures"][point.split()[0]] for point in cross.points]
    there = [bins_of(package, point, every)
             for point, every in zip(cross.points, names, strict=True)]  # fmt: skip
    if any(bins is None for bins in there):
        return None
    own = [np.isin(bins, found or []) for bins, found in zip(names, there, strict=True)]
    absent = ~reduce(np.multiply.outer, own)
    tally = Tally(cross, names, np.zeros(absent.shape, np.int64))
    seen = observed(cross.points, handshakes)
    if seen is not None:
        tally.counts += seen
    else:
        for each in items:
            for columns in _columns(each, cross):
                tally.add(columns)
    tally.unexpected = [
        tally.named(tuple(int(k) for k in index))
        for index in np.argwhere(absent & (tally.counts > 0))
    ]
    tally.counts[absent] = ABSENT
    return tally


def _columns(items: Items, cross: Cross) -> Iterator[list[Measured]]:
    """For each lane of the unit, the samples of all points of a cross."""
    for lane in range(items.lanes(cross.points)):
        yield [measure(items, point, lane) for point in cross.points]


def _judge(tally: Tally, rules: list[Never], wrong: list[str]) -> None:
    """Mark what cannot be; say where it was."""
    wrong += [f"{tally.cross.name} {bins} was hit, but there should be no such bin"
              for bins in tally.unexpected]  # fmt: skip
    for index in np.ndindex(*tally.counts.shape):
        bins = tally.named(index)
        rule = next((rule for rule in rules if rule.covers(tally.cross, bins)), None)
        if rule is None or tally.counts[index] == ABSENT:
            continue
        if tally.counts[index] > 0:
            wrong.append(f"{tally.cross.name} {bins} was hit, but {rule.why}")
        else:
            tally.counts[index] = UNREACHABLE
