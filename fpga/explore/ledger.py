"""The file that keeps what was measured, point by point, so that an exploration can go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfp8_hw.errors import ParameterError, shown
from hfp8_hw.files import write_whole
from hfp8_hw.parameters import UnitParameters

from .front import marked
from .point import FIGURES, MEASURED, REFUSED, Row, Task
from .space import Space
from .workload import Workload


@dataclass(frozen=True)
class Settings:
    """How all points of an exploration are measured.

    Members
    -------
    tools : list of str
        Packages and versions that the figures depend on.
    sources : str
        Stands for the generator and the golden model as they are.
    """

    unit: str
    device: str
    dsp: bool
    seeds: int
    workload: Workload
    tools: list[str]
    sources: str

    def chosen(self) -> dict[str, Any]:
        """What the user chose; all points of a file have it in common."""
        return {
            "unit": self.unit,
            "device": self.device,
            "dsp": self.dsp,
            "seeds": self.seeds,
            "seed": self.workload.seed,
            "workload": self.workload.to_dict(),
        }

    def task(self, parameters: UnitParameters) -> Task:
        """The measuring of a point."""
        return Task(
            self.unit, parameters.to_dict(), self.device, self.dsp, self.seeds, self.workload
        )


@dataclass
class Ledger:
    """What is known of the points so far.

    Members
    -------
    rows : dict of Row
        Points that were measured or failed, by `key`.
    outdated : int
        How many rows of the file were of other tools or sources, and are left out.
    """

    settings: Settings
    objectives: Sequence[str]
    space: Space
    rows: dict[str, Row] = field(default_factory=dict)
    outdated: int = 0

    def has(self, parameters: UnitParameters) -> bool:
        """Whether a point was measured."""
        return key(parameters.to_dict()) in self.rows

    def add(self, row: Row) -> None:
        """Take a point's row."""
        self.rows[key(row["parameters"])] = row

    def to_dict(self) -> dict[str, Any]:
        """For JSON.

        ``rows`` has the measured points, then those that failed or were refused, in the order of
        the space; what the space has no more is at the end of its kind. What the unit does not take
        has ``given`` in place of ``parameters``.
        """
        refused = [
            {"unit": self.settings.unit, "given": one.given, "status": REFUSED,
             "reason": one.reason}
            for one in self.space.refused
        ]  # fmt: skip
        order = {key(point.to_dict()): k for k, point in enumerate(self.space.points)}
        known = sorted(self.rows, key=lambda k: order.get(k, len(order)))
        rows = marked([self.rows[k] for k in known], self.objectives)
        good = [row for row in rows if row["status"] == MEASURED]
        rest = [row for row in rows if row["status"] != MEASURED]
        return {
            **self.settings.chosen(),
            "front": list(self.objectives),
            "varying": varying([row["parameters"] for row in good]),
            "tools": self.settings.tools,
            "sources": self.settings.sources,
            "rows": [*good, *rest, *refused],
        }

    def write(self, path: Path) -> None:
        """Write the file, whole."""
        data = self.to_dict()
        rows = ",\n  ".join(json.dumps(row, allow_nan=False) for row in data.pop("rows"))
        head = json.dumps(data, indent=1, allow_nan=False).removesuffix("\n}")
        write_whole(path, f'{head},\n "rows": [\n  {rows}\n ]\n}}\n'.encode())


def varying(configurations: Sequence[dict[str, Any]]) -> list[str]:
    """The parameters that are not the same in all configurations that have them."""
    names = dict.fromkeys(name for one in configurations for name in one)
    found = {name: {one[name] for one in configurations if name in one} for name in names}
    return [name for name in names if len(found[name]) > 1]


def key(parameters: dict[str, Any]) -> str:
    """What tells a point from others."""
    return json.dumps(parameters, sort_keys=True)


def reopen(
    path: Path | None, settings: Settings, objectives: Sequence[str], space: Space
) -> Ledger:
    """A ledger with the points that a file has, if it is there.

    Those that failed are left out, to be tried again, and so are those of other versions of the
    tools or other sources.

    Raises
    ------
    ParameterError
        If the file is something else, or its points were measured in another way.
    """
    ledger = Ledger(settings, objectives, space)
    if path is None or not path.exists():
        return ledger
    what = f"json={str(path)!r} is not allowed: it is there, and"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = [row for row in data["rows"] if row["status"] == MEASURED]
        if not all(row.keys() >= FIGURES for row in found):
            raise ValueError
        keys = [key(row["parameters"]) for row in found]
        before = {name: data[name] for name in settings.chosen()}
        same = data["sources"] == settings.sources
        tools = [row["tools"] for row in found]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ParameterError(f"{what} is no file of 'hfp8 explore'") from None
    for name, value in settings.chosen().items():
        if before[name] != value:
            raise ParameterError(
                f"{what} was measured with {name}={shown(before[name])}, not {shown(value)}; "
                "name another file"
            )
    for row, one, own in zip(found, keys, tools, strict=True):
        if same and own == settings.tools:
            ledger.rows[one] = row
        else:
            ledger.outdated += 1
    return ledger
