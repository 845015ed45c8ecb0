"""Run a core on tasks in a simulator, and compare every result with golden."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from amaranth.back import verilog

from hfp8_hw.hdl.core import GemmCore
from hfp8_hw.parameters.core import CoreParameters
from rtl_gen.cache import built

from ..simulation import simulators
from ..simulation.simulate import cocotb_build, cocotb_test
from .jobs import Task, expected, job_word, unpacked, words

CORE, TOP = "hfp8_core", "hfp8_core_bench"


@dataclass(frozen=True)
class Phase:
    """Tasks that follow each other after a reset.

    Members
    -------
    stall : float
        Probability of a clock in which a stream pauses, each for itself.
    resets : sequence of int
        Runs that are broken off by a reset after so many clocks, before the one that counts.
    """

    tasks: Sequence[Task]
    stall: float = 0.0
    resets: Sequence[int] = ()


@dataclass(frozen=True)
class Found:
    """What a simulation showed.

    Members
    -------
    results, mismatches : int
        Elements of C compared, and how many differed in code or flags.
    clocks : list of int
        Of each phase, from the last reset to the last result.
    errors : list of str
        A hang, or a frame of the wrong shape.
    """

    results: int
    mismatches: int
    clocks: list[int]
    errors: list[str]

    @property
    def good(self) -> bool:
        """Whether results were compared and none differed."""
        return self.results > 0 and self.mismatches == 0 and not self.errors


def seen_from_outside(core: GemmCore) -> str:
    """A top around the core whose ports Verilator leaves for a bench to see."""
    ports = [("clk", 1, "in"), ("rst", 1, "in")]
    ports += [
        (name, len(getattr(core, name)), "in" if member.flow.name == "In" else "out")
        for name, member in core.signature.members.items()
    ]
    lines = [
        f"  {way}put wire [{size - 1}:0] {name} /*verilator public_flat_rw*/"
        for name, size, way in ports
    ]
    pins = [f"    .{name}({name})" for name, _, _ in ports]
    head, body = ",\n".join(lines), ",\n".join(pins)
    return f"module {TOP} (\n{head}\n);\n  {CORE} core (\n{body}\n  );\nendmodule\n"


def run(
    p: CoreParameters,
    simulator: str,
    phases: Sequence[Phase],
    seed: int = 0,
) -> Found:
    """Simulate.

    Raises
    ------
    ToolMissing
        If the simulator cannot run here.
    SimulationError
        If it fails.
    """
    tool = simulators.find(simulator)
    core = GemmCore(p)
    text = verilog.convert(core, name=CORE, emit_src=False)
    top = seen_from_outside(core)
    facts = [text, top, tool.name, tool.version, version("cocotb"), sys.version, sys.prefix]

    def make(folder: Path) -> None:
        sources = [folder / f"{CORE}.v", folder / f"{TOP}.v"]
        for path, content in zip(sources, (text, top), strict=True):
            path.write_text(content)
        cocotb_build(tool, folder, sources, top=TOP)

    build = built("builds", facts, make)
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        arrays, steps = {}, []
        for k, phase in enumerate(phases):
            for task in phase.tasks:
                p.check(task.job)
            arrays[f"job{k}"] = np.array([job_word(t.job) for t in phase.tasks], np.uint64)
            arrays[f"a{k}"] = np.concatenate([words(p, t.a) for t in phase.tasks])
            arrays[f"b{k}"] = np.concatenate([words(p, t.b.T) for t in phase.tasks])
            steps.append({"stall": phase.stall, "resets": list(phase.resets),
                          "frames": len(phase.tasks)})  # fmt: skip
        np.savez(folder / "words.npz", allow_pickle=False, **arrays)
        (folder / "job.json").write_text(json.dumps({"seed": seed, "phases": steps}))
        cocotb_test(tool, build, folder, top=TOP, bench="verif.core.bench")
        ran = json.loads((folder / "result.json").read_text())
    return _compared(p, phases, ran)


def _compared(p: CoreParameters, phases: Sequence[Phase], ran: list[dict[str, object]]) -> Found:
    results = mismatches = 0
    errors, clocks = [], []
    for number, (phase, got) in enumerate(zip(phases, ran, strict=True)):
        clocks.append(int(str(got["clocks"])))
        frames = got["frames"]
        assert isinstance(frames, list)
        if got["hung"]:
            errors.append(f"phase {number}: {len(frames)} of {len(phase.tasks)} jobs ended")
        for task, frame in zip(phase.tasks, frames, strict=False):
            codes = unpacked(p, task.job, frame)
            if codes is None:
                errors.append(f"phase {number}, {task.job}: a frame of another shape")
                continue
            wanted = expected(p, task)
            differ = (codes[0] != wanted[0]) | (codes[1] != wanted[1])
            results += differ.size
            mismatches += int(differ.sum())
    return Found(results, mismatches, clocks, errors)
