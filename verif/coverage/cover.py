"""Coverage of what `hfp8 verify` drives: functional bins, and places of the Verilog."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rtl_gen.package import Package
from rtl_gen.tools import ToolError

from ..errors import SimulationError, ToolMissing
from ..simulation import verify
from ..simulation.code_coverage import Place
from ..simulation.simulate import Outcome, run
from ..simulation.verify import Task
from ..stimulus import input_space
from . import measures, unreachable
from .functional import UNREACHABLE, Functional, Tally, cover

KINDS = ("line", "branch", "toggle")


@dataclass
class Covered:
    """What one configuration's vectors covered.

    Members
    -------
    outcome : Outcome or None
        None where it could not run. ``failure`` says why, or why there was no proof.
    places : list of Place
        All lines, branches and changes of bits.
    unreachable : list of Place
        Those of them that were proved never to occur.
    holes : list of Place
        Those that were neither hit nor proved.
    """

    task: Task
    outcome: Outcome | None = None
    failure: str | None = None
    functional: Functional = field(default_factory=Functional)
    places: list[Place] = field(default_factory=list)
    unreachable: list[Place] = field(default_factory=list)
    holes: list[Place] = field(default_factory=list)

    @property
    def open_bins(self) -> list[str]:
        """Bins that were neither hit nor are known to be unreachable."""
        return [
            f"{tally.cross.name}: " + ", ".join(f"{k} {v}" for k, v in tally.named(index).items())
            for tally in self.functional.tallies
            for index in tally.where(0)
        ]

    @property
    def good(self) -> bool:
        """Whether all that can be reached was, everything compared equal, and no rule broke."""
        ran = self.outcome is not None and self.outcome.good
        left = self.holes or self.open_bins or self.functional.wrong
        return ran and self.failure is None and not left


def run_cover(job: tuple[Task, int]) -> Covered:
    """Measure one configuration: a task, and the seconds that each proof may take."""
    task, timeout = job
    found = Covered(task)
    try:
        package = task.package()
        driven = verify.phases(package, task.seed)
        found.outcome = run(package, "verilator", driven, seed=task.seed, coverage=True)
        found.functional = cover(package, driven, found.outcome)
        found.places = found.outcome.code
        _prove_places(package, found, timeout)
        for tally in found.functional.tallies:
            _never_raised(tally, found.unreachable)
            _prove_bins(package, tally, timeout)
    except (ToolMissing, SimulationError, ToolError) as error:
        found.failure = str(error)
    if found.outcome is not None:
        # What is kept is counted; arrays would only cost memory and transport.
        found.outcome.outputs = []
    return found


def _prove_places(package: Package, found: Covered, timeout: int) -> None:
    missed = [place for place in found.places if place.hits == 0]
    proved = unreachable.never_changes(package, missed, timeout)
    found.unreachable = [place for place, sure in zip(missed, proved, strict=True) if sure]
    found.holes = [place for place, sure in zip(missed, proved, strict=True) if not sure]


def _never_raised(tally: Tally, proved: list[Place]) -> None:
    """Mark the bins with flags whose bit of the port was proved to stay 0."""
    constant = {
        name
        for k, name in enumerate(measures.FLAGS)
        if any(place.change == ("o_flags", k, 0) for place in proved)
    }
    for index in tally.where(0):
        if any(tally.named(index).get(name) == "yes" for name in constant):
            tally.counts[index] = UNREACHABLE


def _prove_bins(package: Package, tally: Tally, timeout: int) -> None:
    """Mark the bins of a cross that were not hit and cannot be."""
    missed = tally.where(0)
    points = tally.cross.points
    texts: list[str | None]
    if set(points) <= set(measures.STREAMS):
        never, texts = unreachable.never_shows, [_stream(tally, index) for index in missed]
    elif (twin := _without_state(package)) is not None:
        package, never = twin, unreachable.never_holds
        texts = [_held(package, tally, index) for index in missed]
    elif all(measures.of_results(package, point) for point in points):
        held = [_held(package, tally, index) for index in missed]
        texts = [text and f"o_valid && ({text})" for text in held]
        never = unreachable.never_shows
    else:
        return
    proved = never(package, texts, timeout)
    for index, sure in zip(missed, proved, strict=True):
        if sure:
            tally.counts[index] = UNREACHABLE


def _without_state(package: Package) -> Package | None:
    """The unit if it has no state, else the same with any random bits and without tracking: what
    its results cannot be, those of the unit cannot be either. None for other units."""
    if not input_space.has_state(package):
        return package
    given = package.manifest["parameters"]
    twin = {"random": "input", "track": "none"}
    changed = {name: value for name, value in twin.items() if given.get(name, value) != value}
    if not changed:
        return None
    other = verify.package_of(package.manifest["unit"], tuple({**given, **changed}.items()))
    return None if input_space.has_state(other) else other


def _stream(tally: Tally, index: tuple[int, ...]) -> str:
    states = tally.named(index).items()
    return " && ".join(measures.STREAMS[point][name] for point, name in states)


def _held(package: Package, tally: Tally, index: tuple[int, ...]) -> str | None:
    """Verilog: whether any lane of the unit is in a bin; None if ports do not tell."""
    lanes = max(
        len(measures.Port(package, point.split()[-1]).ports)
        for point in (*tally.cross.points, "flags")
    )
    alternatives = []
    for lane in range(max(1, lanes)):
        parts = [
            measures.condition(package, point, name, lane)
            for point, name in tally.named(index).items()
        ]
        if None in parts:
            return None
        alternatives.append("(" + " && ".join(part or "" for part in parts) + ")")
    return " || ".join(alternatives)


def record(found: Covered) -> dict[str, Any]:
    """What JSON keeps of it."""
    counts = {
        kind: {
            "all": sum(place.kind == kind for place in found.places),
            "hit": sum(place.kind == kind and place.hits > 0 for place in found.places),
            "unreachable": sum(place.kind == kind for place in found.unreachable),
        }
        for kind in KINDS
    }
    return {
        "unit": found.task.unit,
        "parameters": dict(found.task.parameters),
        "rounding": rounding(found.task),
        "good": found.good,
        "failure": found.failure,
        "vectors": found.outcome.vectors if found.outcome else 0,
        "code": counts,
        "unreachable": runs(found.unreachable),
        "holes": [place.text for place in found.holes],
        "wrong": found.functional.wrong,
        "crosses": [
            {"name": t.cross.name, "points": list(t.cross.points), "bins": t.bins,
             "counts": t.counts.reshape(-1).tolist()}
            for t in found.functional.tallies
        ],
    }  # fmt: skip


def bins(row: dict[str, Any]) -> tuple[int, int]:
    """Of a record: the bins that were hit, and those that are reachable."""
    counts = [count for cross in row["crosses"] for count in cross["counts"]]
    return sum(n > 0 for n in counts), sum(n >= 0 for n in counts)


def code(row: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Of a record, by kind: the places that were hit, and those that are reachable."""
    return {kind: (n["hit"], n["all"] - n["unreachable"]) for kind, n in row["code"].items()}


def rounding(task: Task) -> str | None:
    """The rounding mode of a configuration, without the number of random bits."""
    text = task.package().manifest["parameters"].get("rounding")
    return None if text is None else str(text).split("(", maxsplit=1)[0]


def runs(places: list[Place]) -> list[str]:
    """Nets with the bits that never change: ``net[5:0]``; one direction only is named."""
    nets: dict[str, dict[int | None, set[int]]] = {}
    found = [place.text for place in places if place.change is None]
    for place in places:
        if place.change is None:
            continue
        net, bit, old = place.change
        nets.setdefault(net, {}).setdefault(bit, set()).add(old)
    for net, bits in nets.items():
        for olds in ({0, 1}, {0}, {1}):
            chosen = [bit for bit, left in bits.items() if left == olds]
            suffix = "" if len(olds) == 2 else ":0->1" if olds == {0} else ":1->0"
            if None in chosen:
                found.append(f"{net}{suffix}")
            found += [f"{net}[{text}]{suffix}" for text in _ranges(chosen)]
    return found


def _ranges(bits: list[int | None]) -> list[str]:
    """Numbers as few ranges, the highest first: 5:2, 0."""
    numbers = sorted((bit for bit in bits if bit is not None), reverse=True)
    found: list[list[int]] = []
    for bit in numbers:
        if found and found[-1][1] == bit + 1:
            found[-1][1] = bit
        else:
            found.append([bit, bit])
    return [str(high) if high == low else f"{high}:{low}" for high, low in found]
