"""Faults on the line to a simulated board: no wrong result, and always a recovery.

``python -m verif.board.faults --faults 10000 --seed 1`` prints what came of them.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from hfp8_hw.errors import RunError
from hfp8_hw.host import Device
from hfp8_hw.parameters import UnitParameters, unit_parameters
from hfp8_hw.protocol import BASE_BAUD, divisor
from rtl_gen.board import board_module
from rtl_gen.package import Package, write_whole

from ..simulation.golden_columns import golden_columns
from .line import Line
from .model import Model, compiled

CLOCK = 921_600
"""Hz: 8 clocks of a bit at 115,200 baud, the least, so that simulated seconds pass quickly."""
ITEMS = 40
KINDS = ("dropped", "flipped", "inserted", "repeated", "truncated", "frame twice", "reset", "slow")
_WAITS = {"margin": 0.003, "waits": 0.02}
"""Seconds. The design never makes the host wait, so a hasty one finds out sooner."""


class FaultyLine(Line):
    """A line that spoils a part of what it carries, in both directions.

    Parameters
    ----------
    rate : float
        How often a request has a fault. Bytes that come back have a twentieth of that each.
    """

    def __init__(self, model: Model, rng: np.random.Generator, rate: float) -> None:
        super().__init__(model)
        self.rng, self.rate = rng, rate
        self.counts: Counter[str] = Counter()
        self.first: float | None = None
        self._kept = b""

    def write(self, data: bytes) -> None:
        """Send a request, or what a fault makes of it."""
        if self.rng.random() >= self.rate:
            super().write(data)
            return
        kind = str(self.rng.choice(KINDS))
        self._count(kind)
        at = int(self.rng.integers(len(data)))
        if kind == "truncated":
            super().write(data[:at])
        elif kind == "frame twice":
            super().write(data + data)
        elif kind == "reset":
            super().write(data[:at])
            self._pass(at)
            self.model.drop()
            self.model.reset()
        elif kind == "slow":
            super().write(data[:at])
            self._pass(at + int(self.rng.integers(200)))
            super().write(data[at:])
        else:
            super().write(self._spoilt(data, at, kind))

    def read(self, seconds: float) -> bytes:
        """What came, some of it spoilt."""
        data, self._kept = self._kept, b""
        data = data or super().read(seconds)
        if data and self.rng.random() < self.rate / 20 * len(data):
            kind = str(self.rng.choice(KINDS[:4]))
            self._count(kind)
            data = self._spoilt(data, int(self.rng.integers(len(data))), kind)
        return data

    def noise(self, count: int) -> None:
        """Bytes from nowhere, both ways."""
        self._count("noise")
        super().write(self.rng.integers(0, 256, count, np.uint8).tobytes())
        self._kept += self.rng.integers(0, 256, count, np.uint8).tobytes()

    def restart(self) -> None:
        """The host was ended in the middle of something."""
        self._count("host restarted")

    def _count(self, kind: str) -> None:
        self.counts[kind] += 1
        self.first = self.now() if self.first is None else self.first

    def _pass(self, size: int) -> None:
        """Let the time of so many bytes pass; what comes is kept."""
        end = self.model.clocks + size * 10 * divisor(CLOCK, BASE_BAUD)
        while self.model.clocks < end:
            self._kept += self.model.run(end - self.model.clocks)

    def _spoilt(self, data: bytes, at: int, kind: str) -> bytes:
        """A few bytes from a place on dropped, flipped, inserted or repeated."""
        some = int(self.rng.integers(1, 4))
        part = data[at : at + some]
        if kind == "dropped":
            part = b""
        elif kind == "flipped":
            part = bytes(byte ^ (1 << int(self.rng.integers(8))) for byte in part)
        elif kind == "inserted":
            part = self.rng.integers(0, 256, some, np.uint8).tobytes() + part
        else:
            part += part
        return data[:at] + part + data[at + some :]


@dataclass
class Found:
    """What came of a campaign.

    Members
    -------
    faults : dict
        How many of each kind.
    batches, wrong : int
        Batches that were accepted, and those of them that were not golden's.
    given_up : int
        Batches that the host gave up with an error; they are run again on a clean line.
    lost : int
        Those that failed then too: the board did not recover.
    slowest : float
        Simulated seconds from a batch's first fault to its end, at the most.
    """

    seed: int
    unit: str
    parameters: dict[str, Any]
    faults: dict[str, int] = field(default_factory=dict)
    batches: int = 0
    wrong: int = 0
    given_up: int = 0
    lost: int = 0
    slowest: float = 0.0

    @property
    def total(self) -> int:
        """All faults."""
        return sum(self.faults.values())

    @property
    def good(self) -> bool:
        """Whether nothing wrong was accepted and the board always recovered."""
        return self.batches > 0 and self.wrong == 0 and self.lost == 0


class _Ended(Exception):
    """The host's program was ended."""


def campaign(
    parameters: UnitParameters, faults: int, seed: int, rate: float = 0.3, console: Any = None
) -> Found:
    """Run batches until there have been so many faults.

    Raises
    ------
    ToolMissing, ToolError
        As `verif.board.model.compiled`.
    """
    module = board_module(parameters, CLOCK)
    model = compiled(module)
    rng = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    found = Found(seed, parameters.unit, dict(parameters.to_dict()))
    while found.total < faults:
        line = FaultyLine(model, rng, rate)
        if rng.random() < 0.1:
            line.noise(int(rng.integers(1, 60)))
        _batch(module.design, line, found, int(rng.integers(1 << 31)))
        counts.update(line.counts)
        found.faults = dict(sorted(counts.items()))
        if console is not None:
            console.update(f"{found.total} faults, {found.batches} batches, {found.wrong} wrong")
    return found


def _batch(design: Package, line: FaultyLine, found: Found, seed: int) -> None:
    inputs, due = golden_columns(design, ITEMS, seed)
    columns = {port: np.array(values, np.int64) for port, values in inputs.items()}
    ended = line.rng.random() < 0.1

    def told(count: int) -> None:
        if ended:
            raise _Ended

    def run(told: Any) -> bool:
        device = Device(line, fast=False, stays=False, **_WAITS)
        device.check(design.manifest)
        got = device.run(design.manifest, columns, told)
        found.batches += 1
        return all(got[port].tolist() == values for port, values in due.items())

    try:
        found.wrong += not run(told)
    except _Ended:
        line.restart()
    except RunError:
        found.given_up += 1
        line.rate = 0.0
        try:
            found.wrong += not run(lambda count: None)
        except RunError:
            found.lost += 1
    if line.first is not None:
        found.slowest = round(max(found.slowest, line.now() - line.first), 3)


@click.command()
@click.option("--faults", default=10_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--unit", default="quantizer", show_default=True)
@click.option("--json", "path", type=click.Path(path_type=Path))
def main(faults: int, seed: int, unit: str, path: Path | None) -> None:
    """Plant faults on the line to a simulated board."""
    console = Console()
    with console.status("compiling") as status:
        found = campaign(unit_parameters(unit, {}), faults, seed, console=status)
    data = {**asdict(found), "total": found.total, "good": found.good}
    console.print_json(json.dumps(data))
    if path is not None:
        write_whole(path, (json.dumps(data, indent=2) + "\n").encode())
    raise SystemExit(not found.good)


if __name__ == "__main__":
    main()
