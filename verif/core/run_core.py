"""Runs programs on a generated core and holds every result against the golden model."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hfp8_hw.jobs import JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.registers import COUNTERS, job_words, packed, unpacked
from rtl_gen.cache import built
from rtl_gen.package import Package
from verif.simulation import simulators
from verif.simulation.simulate import cocotb_build, cocotb_test

from .program import Program, addends, beats, in_order

TOP = "hfp8_core_harness"
BENCH = "verif.core.bench"


@dataclass
class CoreOutcome:
    """What came of some programs.

    Members
    -------
    jobs, results : int
        Jobs that were done, and elements of C compared.
    mismatches : int
        Elements that differed in code or flags.
    first : str or None
        The first difference, or what else went wrong, in words.
    counters : list of dict
        `COUNTERS` of each program.
    """

    jobs: int = 0
    results: int = 0
    mismatches: int = 0
    first: str | None = None
    counters: list[dict[str, int]] = field(default_factory=list)

    def wrong(self, text: str, count: int = 1) -> None:
        """Note what went wrong."""
        self.mismatches += count
        self.first = self.first or text


def run(
    package: Package, simulator: str, programs: Sequence[Program], *, seed: int = 0
) -> CoreOutcome:
    """Run programs, each from a reset on, on one generated core.

    Raises
    ------
    ToolMissing
        If the simulator cannot run here.
    SimulationError
        If it fails.
    """
    tool = simulators.find(simulator)
    build = build_simulation(package, tool)
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        described = [_described(program, k, folder) for k, program in enumerate(programs)]
        (folder / "job.json").write_text(json.dumps({"programs": described, "seed": seed}))
        cocotb_test(tool, build, folder, TOP, BENCH)
        found = json.loads((folder / "result.json").read_text())
    outcome = CoreOutcome()
    for number, (program, got) in enumerate(zip(programs, found, strict=False)):
        if got["error"]:
            outcome.wrong(f"program {number}: {got['error']}")
            break
        _check(outcome, program, number, got)
    return outcome


def _described(program: Program, number: int, folder: Path) -> dict[str, Any]:
    p = program.parameters
    tasks = []
    for k, task in enumerate(program.tasks):
        frames: dict[str, list[bytes]] = {}
        for side, codes, layout, formats in (
            ("a", task.a, p.a_layout, p.a_formats),
            ("b", task.b, p.b_layout, p.b_formats),
        ):
            if codes is not None:
                frames[side] = [beats(codes, layout, formats[0].width)]
        frames["c"] = addends(p, task)
        operands = {}
        for side, contents in frames.items():
            names = [f"{side}{number}_{k}_{n}.bin" for n in range(len(contents))]
            for name, content in zip(names, contents, strict=True):
                (folder / name).write_bytes(content)
            operands[side] = names
        tasks.append({"words": job_words(task.job), "operands": operands})
    due = sum(
        p.refusal(task.job) is JobError.NONE and not task.job.silent for task in program.tasks
    )
    return {
        "tasks": tasks, "due": due, "stall": program.stall, "burst": program.burst,
        "reset_at": program.reset_at,
    }  # fmt: skip


def _check(outcome: CoreOutcome, program: Program, number: int, got: dict[str, Any]) -> None:
    """Compare one program's results and registers."""
    p: CoreParameters = program.parameters
    expected, refused = program.results(), program.refusals()
    ored = 0
    for one in expected:
        ored |= int(np.bitwise_or.reduce(one.flags, axis=None))
    sent = [one for one in expected if not one.job.silent]
    outcome.jobs += len(expected) - len(sent)
    size = -(-p.acc_format.width // 8)
    for k, (one, frame) in enumerate(zip(sent, got["results"], strict=True)):
        where = f"program {number}, result {k}"
        want, keep = in_order(p, one.codes)
        want_flags, _ = in_order(p, one.flags)
        data = np.frombuffer(bytes.fromhex(frame["data"]), f"<u{size}")
        kept = np.array(list(frame["keep"])) == "1"
        if data.size != want.size or (kept.reshape(-1, size).all(axis=1) != keep.reshape(-1)).any():
            outcome.wrong(f"{where}: {data.size} places came, due {want.size}, or others kept")
            continue
        data = data.reshape(want.shape)
        user = np.array(frame["user"]).reshape(len(want), -1)[:, 0]
        marks = user[:, None] >> (4 * np.arange(p.drains)) & 15
        different = ((data != want) | (marks != want_flags)) & keep
        outcome.jobs += 1
        outcome.results += int(keep.sum())
        if different.any():
            at = tuple(np.argwhere(different)[0])
            outcome.wrong(
                f"{where}: {int(different.sum())} differ; place {at}: code {int(data[at]):#x}, "
                f"due {int(want[at]):#x}; flags {int(marks[at])}, due {int(want_flags[at])}",
                int(different.sum()),
            )
    registers = got["registers"]
    error = unpacked("ERROR", registers["ERROR"])
    due = {"code": int([*refused, JobError.NONE][0]), "misplaced_a": 0, "misplaced_b": 0,
           "misplaced_c": 0}  # fmt: skip
    counts = {"REFUSED": len(refused), "DONE": len(expected), "FLAGS": ored, "AMAX": 0}
    if expected and p.epilogue != "none":
        last = {"value": expected[-1].amax, "special": expected[-1].special}
        counts["AMAX"] = packed("AMAX", last)
    for name, value in counts.items():
        if registers[name] != value:
            outcome.wrong(f"program {number}: register {name} is {registers[name]}, due {value}")
    if error != due:
        outcome.wrong(f"program {number}: register ERROR is {error}, due {due}")
    outcome.counters.append(
        {name: registers[f"{name}_LOW"] | registers[f"{name}_HIGH"] << 32 for name in COUNTERS}
    )


def build_simulation(package: Package, tool: simulators.Tool) -> Path:
    """The folder of the built simulation, made if it is not in the cache."""
    text = harness(package.manifest)
    facts = [package.verilog, text, tool.name, tool.version, version("cocotb"), sys.version,
             sys.prefix]  # fmt: skip

    def make(folder: Path) -> None:
        sources = []
        for name, content in ((package.name, package.verilog), (TOP, text)):
            sources.append(folder / f"{name}.v")
            sources[-1].write_text(content)
        cocotb_build(tool, folder, sources, TOP)

    return built("builds", facts, make)


def harness(manifest: dict[str, Any]) -> str:
    """A module around the core whose ports the bench sees on every simulator."""
    ports, pins = [], []
    for port in manifest["ports"]:
        kind = "input" if port["dir"] == "in" else "output"
        bits = f"[{port['width'] - 1}:0] " if port["width"] > 1 else ""
        ports.append(f"  {kind} wire {bits}{port['name']} /*verilator public_flat_rw*/")
        pins.append(f"    .{port['name']}({port['name']})")
    return (
        f"module {TOP} (\n" + ",\n".join(ports) + f"\n);\n  {manifest['top']} core (\n"
        + ",\n".join(pins) + "\n  );\nendmodule\n"
    )  # fmt: skip
