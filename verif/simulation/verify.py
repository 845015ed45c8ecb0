"""Verification runs: which vectors a configuration gets, and what came out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hfp8_hw.formats import parse_operand
from hfp8_hw.parameters import UNITS, unit_parameters
from rtl_gen.package import Package, generate

from ..errors import SimulationError, ToolMissing
from ..stimulus import aimed_sums, chunk_edges, sum_events, vectors
from ..stimulus.reference import chunk_of, chunked, code_width
from .simulate import Outcome, Phase, run

_RARE = 240
"""Items of the phase that has long pauses before each."""

_RESETS, _SOME = 3, 0.2
"""Phases that a reset begins while a sum is under way, each after another number of items; and how
often they wait."""

_ADDING, _EVERY = 180, 6
"""Clocks in which a reset meets the addition of chunks; and how far apart the resets are."""


def label(parameters: Mapping[str, Any]) -> str:
    """Parameters in words."""
    return " ".join(f"{k}={v}" for k, v in parameters.items()) or "defaults"


def command(name: str, unit: str, parameters: Mapping[str, Any], options: Sequence[str]) -> str:
    """A command of ``hfp8`` on one configuration; without parameters, which would mean many, with
    one that has its default."""
    given = dict(parameters) or {"stages": unit_parameters(unit, {}).stages}
    words = [word for k, v in given.items() for word in (f"--{k.replace('_', '-')}", str(v))]
    return shlex.join(["hfp8", name, unit, *words, *options])


@dataclass(frozen=True)
class Task:
    """One unit, its parameters other than the defaults, one simulator, one seed."""

    unit: str
    parameters: tuple[tuple[str, Any], ...]
    simulator: str
    seed: int
    waves: str | None = None

    @property
    def label(self) -> str:
        """The parameters in words."""
        return label(dict(self.parameters))

    @property
    def replay(self) -> str:
        """The command that runs this again."""
        return self.command("verify", "--sim", self.simulator)

    def command(self, name: str, *options: str) -> str:
        """A command of ``hfp8`` on this configuration and seed."""
        options = (*options, "--seed", str(self.seed))
        return command(name, self.unit, dict(self.parameters), options)

    def package(self) -> Package:
        """The generated unit."""
        return package_of(self.unit, self.parameters)


@lru_cache(maxsize=64)
def package_of(unit: str, parameters: tuple[tuple[str, Any], ...]) -> Package:
    """A generated unit, once a process; parameters other than the defaults."""
    return generate(unit_parameters(unit, dict(parameters)))


@dataclass
class Result:
    """A task and what it found; ``failure`` where it could not run."""

    task: Task
    outcome: Outcome | None
    failure: str | None = None

    @property
    def good(self) -> bool:
        """Whether it ran and everything was equal."""
        return self.outcome is not None and self.outcome.good


def phases(package: Package, seed: int) -> list[Phase]:
    """All inputs, or edges and random ones; then random ones under back-pressure and resets."""
    rng = np.random.default_rng(seed)
    found = []
    every = vectors.complete(package)
    if every is not None:
        found.append(Phase("all inputs", every))
        if {"i_bias", "i_bias_a", "i_scale"} & set(every):
            # Not all inputs with all biases: edges with more of them.
            edges = vectors.directed(package, np.random.default_rng([seed, 3]))
            found += [] if edges is None else [Phase("edges", edges)]
    else:
        edges = vectors.directed(package, rng)
        if edges is not None:
            found.append(Phase("edges", edges))
        if package.manifest["golden"]["sum"]:
            found.append(Phase("first", chunk_edges.first(package, vectors.LANES)))
        else:
            single = vectors.single_bits(package, np.random.default_rng([seed, 4]))
            found += [] if single is None else [Phase("single bits", single)]
        # The slow simulator's time goes with the products: fewer items where each has many.
        lanes = int(package.manifest["parameters"].get("lanes", 1))
        count = max(1500, 6000 // lanes) if package.manifest["golden"]["sum"] else 2500
        if package.manifest["unit"] == "loss_scale":
            count = 20000  # The scale's range, at its slowest growth.
        found.append(Phase("random", vectors.random_inputs(package, rng, count, vectors.LANES)))
        if package.manifest["golden"]["sum"]:
            # From a generator of its own: the other phases are what they are without it.
            own = np.random.default_rng([seed, 1])
            turns = package.manifest["golden"]["sum"]["interleave"]
            aimed = aimed_sums.sums(package, own, count * min(turns + 1, 4) // 4, vectors.LANES)
            found.append(Phase("aimed", aimed))
            chunks = chunk_edges.joints(package, own, vectors.LANES)
            if chunks is not None:
                found.append(Phase("chunks" if chunked(package.manifest) else "ends", chunks))
            grown = chunk_edges.growth(package, vectors.LANES)
            if grown is not None:
                found.append(Phase("growth", grown))
    # Sums have fewer results for stalls to meet.
    shaken = vectors.random_inputs(
        package, rng, 1800 if package.manifest["golden"]["sum"] else 1200, vectors.LANES
    )
    if "i_last" in shaken:
        # Many results, for stalls to meet, and then long sums with pauses; of a random generator
        # of its own, as above.
        more = np.random.default_rng([seed, 2]).random(len(shaken["i_last"])) < 0.3
        more[len(more) // 2 :] = False
        shaken["i_last"] |= more[:, None]
    found.append(Phase("back-pressure", shaken, stall=0.4, resets=4))
    if chunked(package.manifest) and chunk_of(package.manifest) > 1:
        # Items so rare that results come between those of a chunk.
        few = {port: values[:_RARE] for port, values in shaken.items()}
        few["i_last"] = few["i_last"].copy()
        few["i_last"][-int(package.manifest["golden"]["sum"]["interleave"]) :] = 1
        found.append(Phase("rare items", few, pause=0.93))
    if package.manifest["golden"]["sum"]:
        found += _corners(package, np.random.default_rng([seed, 5]))
    return found


def _corners(package: Package, rng: np.random.Generator) -> list[Phase]:
    """Sums that carry, sums that are given up, and some after resets."""
    carried = sum_events.carried(package, rng, vectors.LANES)
    found = [] if carried is None else [Phase("carries", carried)]
    apart = sum_events.apart(package, rng, vectors.LANES)
    found += [] if apart is None else [Phase("apart", apart)]
    far = sum_events.far(package, rng, vectors.LANES)
    found += [] if far is None else [Phase("far apart", far)]
    given_up = sum_events.given_up(package, rng, vectors.LANES)
    found += [Phase("given up", given_up), Phase("given up, rare", given_up, stall=_SOME)]
    again = sum_events.resumed(package, rng, vectors.LANES)
    found += [Phase(f"reset {k + 1}", again, stall=_SOME, resets=1) for k in range(_RESETS)]
    left = sum_events.abandoned(package, rng, vectors.LANES)
    if left is not None:
        # From the first chunk's last item until both chunks are added, wherever a unit adds them.
        first = len(left["i_last"])
        found.append(Phase("reset in a sum", left, reset_at=range(first, first + _ADDING, _EVERY)))
    return found


def run_task(task: Task) -> Result:
    """Run one task; failures of tools become a Result, not an exception."""
    try:
        package = task.package()
        waves = None if task.waves is None else Path(task.waves)
        outcome = run(
            package, task.simulator, phases(package, task.seed), seed=task.seed, waves=waves
        )
        return Result(task, outcome)
    except (ToolMissing, SimulationError) as error:
        return Result(task, None, str(error))


def describe(port: dict[str, Any], codes: Any, inputs: dict[str, Any]) -> str:
    """A port's codes in hex and, where it carries a format, decoded."""
    # Inputs are codes, however the port carries them.
    word = "encoding" in port and port["dir"] == "out"
    digits = -(-(port["width"] if word else code_width(port)) // 4)
    shown = []
    for k, code in enumerate(codes[:80]):
        text = f"0x{code:0{digits}x}"
        if "format" in port and not word:
            operand = port["name"][2:].rstrip("0123456789")
            mode = inputs.get(f"i_mode_{operand}") or inputs.get("i_mode")
            formats = parse_operand(port["format"])
            fmt = formats[mode[k] if mode and len(formats) > 1 else 0]
            bias = inputs.get(f"i_bias_{operand}")
            if bias is not None:
                fmt = fmt.with_bias(bias[k] - ((bias[k] >> 6) << 7))
            text += f" ({fmt.value(code)!r})"
        shown.append(text)
    more = f" ... {len(codes)} in all" if len(codes) > 80 else ""
    return " ".join(shown) + more


def mismatch(manifest: dict[str, Any], first: dict[str, Any]) -> list[str]:
    """Lines that show the first mismatch: inputs, what was expected, what came."""
    ports = {p["name"]: p for p in manifest["ports"]}
    lines = [f"  first mismatch: phase '{first['phase']}', index {first['index']}"]
    for name, codes in first["inputs"].items():
        lines.append(f"    {name} = {describe(ports[name], codes, first['inputs'])}")
    for name in first["expected"]:
        for what in ("expected", "got"):
            shown = describe(ports[name], [first[what][name]], {})
            lines.append(f"    {name} {what} {shown}")
    return lines


def explain(result: Result) -> list[str]:
    """Lines that tell a person what went wrong and how to see it again."""
    task = result.task
    lines = [f"{task.unit} [{task.label}] on {task.simulator}:"]
    if result.failure is not None:
        return [*lines, f"  {result.failure}"]
    outcome = result.outcome
    assert outcome is not None
    if outcome.error:
        # The core says in words what differs.
        lines.append(f"  {'stream contract: ' if task.unit in UNITS else ''}{outcome.error}")
    if outcome.first:
        lines += mismatch(task.package().manifest, outcome.first)
    if outcome.vectors == 0:
        lines.append("  nothing was compared")
    lines.append(f"  replay: {task.replay}")
    return lines
