"""Sweeps: a unit's whole input space, or very many samples, through a compiled model."""

from __future__ import annotations

import ctypes
import inspect
import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import hfp8_hw.golden
from rtl_gen.cache import cache_dir, digest
from rtl_gen.package import Package, write_whole

from ..simulation.verify import package_of
from ..stimulus import input_space
from ..stimulus.reference import as_driven, compare, expected
from . import bitsliced_unit, compiled_model
from .bitsliced_gates import LANES

STALLED = 16
"""One block in so many runs with stalls on both sides."""

_STALL = 0.3


@dataclass(frozen=True)
class Sweep:
    """One configuration and what to drive; ``extent`` as in `verif.stimulus.input_space.space`."""

    unit: str
    parameters: tuple[tuple[str, Any], ...]
    extent: str
    seed: int

    @property
    def package(self) -> Package:
        """The generated unit."""
        return package_of(self.unit, self.parameters)

    @property
    def space(self) -> input_space.Space:
        """What is driven."""
        return _space(self)

    @property
    def key(self) -> str:
        """Stands for the Verilog, the golden model, the space and the tools."""
        return digest([self.package.verilog, repr(self.space), str(STALLED), _sources(),
                       *compiled_model.tool_versions()])  # fmt: skip


@lru_cache(maxsize=64)
def _space(sweep: Sweep) -> input_space.Space:
    return input_space.space(sweep.package, sweep.extent, sweep.seed)


@lru_cache(maxsize=1)
def _sources() -> str:
    """Hash of the golden model and of what makes vectors."""
    folders = (Path(inspect.getfile(hfp8_hw.golden)).parent, Path(__file__).parent)
    texts = [path.read_text() for folder in folders for path in sorted(folder.glob("*.[pc][yc]*"))]
    return digest(texts)


@dataclass
class Found:
    """What a block, or many of them, came to.

    Members
    -------
    transfers : int
        What was driven.
    results : int
        What was compared with the golden model.
    """

    transfers: int = 0
    results: int = 0
    mismatches: int = 0
    first: dict[str, Any] | None = None
    error: str | None = None

    @property
    def good(self) -> bool:
        """Whether something was compared, and all of it equal."""
        return self.results > 0 and self.mismatches == 0 and self.error is None

    def add(self, other: Found) -> None:
        """Count another's; the first mismatch stays."""
        self.transfers += other.transfers
        self.results += other.results
        self.mismatches += other.mismatches
        self.first = self.first or other.first
        self.error = self.error or other.error


@lru_cache(maxsize=64)
def _model(unit: str, parameters: tuple[tuple[str, Any], ...]) -> compiled_model.Model:
    return compiled_model.model(package_of(unit, parameters))


@lru_cache(maxsize=64)
def _sliced(unit: str, parameters: tuple[tuple[str, Any], ...]) -> bitsliced_unit.Sliced:
    return bitsliced_unit.sliced(package_of(unit, parameters))


def run_block(job: tuple[Sweep, int]) -> Found:
    """Drive one block and compare everything.

    Blocks that nothing stalls go through the unit's gates, 512 streams at once, where it has no
    state; the others, one stream each lane, through the compiled model.
    """
    sweep, number = job
    _keep_memory()
    package = sweep.package
    inputs = sweep.space.block(package, number)
    count, lanes = next(iter(inputs.values())).shape
    smooth = number % STALLED != STALLED - 1 and lanes == 1 and count % LANES == 0
    if smooth and not input_space.has_state(package):
        return drive_sliced(package, _sliced(sweep.unit, sweep.parameters), inputs, number)
    return drive(package, _model(sweep.unit, sweep.parameters), inputs, number)


@lru_cache(maxsize=1)
def _keep_memory() -> None:
    """Let glibc keep freed memory for the next block: the kernel takes a third of the time to
    clear it anew."""
    trim_threshold, mmap_threshold = -1, -3  # mallopt's names for them
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 32 << 20)
        mallopt(trim_threshold, 1 << 30)


def drive_sliced(
    package: Package, model: bitsliced_unit.Sliced, inputs: dict[str, Any], number: int
) -> Found:
    """Drive a block of one lane through gates, and compare everything."""
    outputs, spans = expected(package.manifest, inputs)
    driven = as_driven(package.manifest, inputs)
    taken = model.run({port: values[:, 0] for port, values in driven.items()})
    got = {port: values[:, None] for port, values in taken.outputs.items()}
    error = None if taken.error is None else f"block {number}: {taken.error}"
    found = compare(f"block {number}", inputs, outputs, spans, got)
    return Found(len(spans), found["vectors"], found["mismatches"], found["first"], error)


def drive(
    package: Package,
    model: compiled_model.Model,
    inputs: dict[str, Any],
    number: int,
    extra: dict[str, int] | None = None,
) -> Found:
    """Drive every lane of the inputs from reset, as block ``number``, and compare everything."""
    outputs, spans = expected(package.manifest, inputs)
    driven = as_driven(package.manifest, inputs)
    count, lanes = next(iter(inputs.values())).shape
    stall = _STALL if number % STALLED == STALLED - 1 else 0.0
    columns, error = [], None
    for lane in range(lanes):
        own = {port: values[:, lane] for port, values in driven.items()}
        taken = model.run(
            own, len(spans), stall=stall, seed=number * lanes + lane, extra=extra
        )  # fmt: skip
        columns.append(taken.outputs)
        if taken.error is not None:
            error = error or f"block {number}, stream {lane}: {taken.error}"
    got = {port: np.stack([c[port] for c in columns], axis=1) for port in columns[0]}
    found = compare(f"block {number}", inputs, outputs, spans, got)
    return Found(count * lanes, found["vectors"], found["mismatches"], found["first"], error)


@dataclass
class State:
    """How far a sweep has come, in a file that outlives it: blocks done, and what they found."""

    path: Path
    done: set[int] = field(default_factory=set)
    found: Found = field(default_factory=Found)
    seconds: float = 0.0

    @classmethod
    def load(cls, sweep: Sweep) -> State:
        """What an interrupted run of the same sweep left, else nothing done."""
        path = cache_dir() / "sweeps" / f"{sweep.key}.json"
        try:
            data = json.loads(path.read_text())
            done = {n for low, high in data["done"] for n in range(low, high)}
            return cls(path, done, Found(**data["found"]), float(data["seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(path)

    def add(self, number: int, found: Found) -> None:
        """Count a block."""
        self.done.add(number)
        self.found.add(found)

    def save(self) -> None:
        """Write the file whole."""
        ranges: list[list[int]] = []
        for number in sorted(self.done):
            if ranges and ranges[-1][1] == number:
                ranges[-1][1] += 1
            else:
                ranges.append([number, number + 1])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        data = {"done": ranges, "found": vars(self.found), "seconds": self.seconds}
        write_whole(self.path, json.dumps(data).encode())

    def forget(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
