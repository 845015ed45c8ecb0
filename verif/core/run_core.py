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
from hfp8_hw.registers import job_words, packed, unpacked
from rtl_gen.cache import built
from rtl_gen.package import Package
from verif.simulation import simulators
from verif.simulation.simulate import cocotb_build, cocotb_test, keep_waves

from .compiled import native
from .compiled.native_run import NativeRan, other_clocks, run_natively
from .program import (
    Frame,
    Program,
    Ran,
    check_irq,
    counters,
    frames,
    in_order,
    interrupting,
    patience,
    reads,
    result_bytes,
    written,
)

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
    package: Package,
    simulator: str,
    programs: Sequence[Program],
    *,
    seed: int = 0,
    waves: Path | None = None,
) -> CoreOutcome:
    """Run programs, each from a reset on, on one generated core.

    Parameters
    ----------
    simulator : str
        ``icarus`` or ``verilator``, both under cocotb, or ``native``: `verif.core.native`.
    waves : Path, optional
        Where to leave an FST file; only of simulators.

    Raises
    ------
    ToolMissing
        If the simulator cannot run here.
    SimulationError, ToolError
        If it fails.
    """
    outcome = CoreOutcome()
    found = results(package, simulator, programs, seed, waves)
    for number, (program, got) in enumerate(zip(programs, found, strict=False)):
        if got.error:
            outcome.wrong(f"program {number}: {got.error}")
            break
        check(outcome, program, number, got)
    return outcome


def results(
    package: Package,
    simulator: str,
    programs: Sequence[Program],
    seed: int = 0,
    waves: Path | None = None,
) -> list[Ran]:
    """What comes of programs, as `run` runs them, uncompared; up to the first that goes wrong."""
    if simulator == "native":
        return _natively(package, programs, seed)
    return _under_cocotb(package, simulator, programs, seed, waves)


def _natively(package: Package, programs: Sequence[Program], seed: int) -> list[Ran]:
    model = native.model(package)
    found: list[Ran] = []
    for number, program in enumerate(programs):
        found.append(run_natively(model, program, seed + number))
        if found[-1].error:
            break
    return found


def _under_cocotb(
    package: Package,
    simulator: str,
    programs: Sequence[Program],
    seed: int,
    waves: Path | None,
) -> list[Ran]:
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        described = [_described(program, k, folder) for k, program in enumerate(programs)]
        found = run_bench(package, simulator, BENCH, folder, described, seed, waves)
    return [
        Ran([_frame(p.parameters, frame) for frame in got["results"]], got["registers"],
            got["error"])
        for p, got in zip(programs, found, strict=False)
    ]  # fmt: skip


def run_bench(
    package: Package,
    simulator: str,
    bench: str,
    folder: Path,
    described: list[dict[str, Any]],
    seed: int,
    waves: Path | None = None,
) -> list[dict[str, Any]]:
    """What a cocotb bench of a core says of each program, whose files are in ``folder``."""
    tool = simulators.find(simulator)
    if waves is not None and simulator == "verilator":
        simulators.check_headers()
    build = build_simulation(package, tool, waves is not None)
    (folder / "job.json").write_text(json.dumps({"programs": described, "seed": seed}))
    cocotb_test(tool, build, folder, TOP, bench, waves is not None)
    if waves is not None:
        keep_waves(folder, waves)
    found: list[dict[str, Any]] = json.loads((folder / "result.json").read_text())
    return found


def _frame(p: CoreParameters, frame: dict[str, Any]) -> Frame:
    """A frame as the bench wrote it; of ``keep`` and ``user`` it has one value a byte."""
    size = result_bytes(p)
    data = np.frombuffer(bytes.fromhex(frame["data"]), f"<u{size}").reshape(-1, p.drains)
    keep = np.array([int(x) for x in frame["keep"]]).reshape(*data.shape, size)
    user = np.array(frame["user"]).reshape(len(data), -1)[:, 0]
    return Frame(data, keep.min(axis=2) != 0, user[:, None] >> (4 * np.arange(p.drains)) & 15)


def _described(program: Program, number: int, folder: Path) -> dict[str, Any]:
    p = program.parameters
    tasks = []
    words = interrupting(program, [job_words(task.job) for task in program.tasks])
    for k, task in enumerate(program.tasks):
        operands = {}
        for side, contents in frames(p, task).items():
            names = [f"{side}{number}_{k}_{n}.bin" for n in range(len(contents))]
            for name, content in zip(names, contents, strict=True):
                (folder / name).write_bytes(content)
            operands[side] = names
        tasks.append({"words": words[k], "operands": operands})
    due = len(program.sent())
    return {
        "tasks": tasks, "due": due, "stall": program.stall, "burst": program.burst,
        "reset_at": program.reset_at, "patience": patience(p), "reads": reads(p),
    }  # fmt: skip


def check(outcome: CoreOutcome, program: Program, number: int, got: Ran) -> None:
    """Compare one program's results and registers."""
    p: CoreParameters = program.parameters
    expected, refused = program.results(), program.refusals()
    ored = 0
    for one in expected:
        ored |= int(np.bitwise_or.reduce(one.flags, axis=None))
    sent = [one for one in expected if not one.job.silent]
    outcome.jobs += len(expected) - len(sent)
    for k, (one, frame) in enumerate(zip(sent, got.frames, strict=True)):
        where = f"program {number}, result {k}"
        want, keep = in_order(p, one.codes)
        want_flags, _ = in_order(p, one.flags)
        if frame.codes.shape != want.shape or (frame.keep != keep).any():
            outcome.wrong(
                f"{where}: {frame.codes.size} places came, due {want.size}, or others kept"
            )
            continue
        different = ((frame.codes != want) | (frame.flags != want_flags)) & keep
        outcome.jobs += 1
        outcome.results += int(keep.sum())
        if different.any():
            at = tuple(np.argwhere(different)[0])
            outcome.wrong(
                f"{where}: {int(different.sum())} differ; place {at}: "
                f"code {int(frame.codes[at]):#x}, due {int(want[at]):#x}; "
                f"flags {int(frame.flags[at])}, due {int(want_flags[at])}",
                int(different.sum()),
            )
    registers = got.registers
    pending: dict[str, int] = {"done": bool(expected), "refused": bool(refused)}
    due = written(program) | {
        "ERROR": packed("ERROR", {"code": int([*refused, JobError.NONE][0])}),
        "REFUSED": len(refused), "DONE": len(expected), "FLAGS": ored, "AMAX": 0,
        "STATUS": 0, "INTERRUPT_ENABLE": program.interrupts,
        "INTERRUPT_PENDING": packed("INTERRUPT_PENDING", pending),
    }  # fmt: skip
    if expected and p.epilogue != "none":
        last = {"value": expected[-1].amax, "special": expected[-1].special}
        due["AMAX"] = packed("AMAX", last)
    for name, value in due.items():
        if registers[name] != value:
            found = unpacked(name, registers[name])
            outcome.wrong(
                f"program {number}: register {name} is {found}, due {unpacked(name, value)}"
            )
    if (said := check_irq(registers)) is not None:
        outcome.wrong(f"program {number}: {said}")
    counts = counters(registers)
    jobs = [one.job for one in expected]
    macs = sum(job.m * job.n * job.k for job in jobs)
    if not any(job.convolve for job in jobs) and counts["MACS"] != macs:
        outcome.wrong(f"program {number}: the counter MACS is {counts['MACS']}, due {macs}")
    if isinstance(got, NativeRan):
        late = other_clocks(program, got)
        if late is not None:
            outcome.wrong(f"program {number}: {late}")
    outcome.counters.append(counts)


def build_simulation(package: Package, tool: simulators.Tool, waves: bool = False) -> Path:
    """The folder of the built simulation, made if it is not in the cache."""
    text = harness(package.manifest)
    facts = [package.verilog, text, tool.name, tool.version, version("cocotb"), sys.version,
             sys.prefix, *(["waves"] if waves else [])]  # fmt: skip

    def make(folder: Path) -> None:
        sources = []
        for name, content in ((package.name, package.verilog), (TOP, text)):
            sources.append(folder / f"{name}.v")
            sources[-1].write_text(content)
        cocotb_build(tool, folder, sources, TOP, waves)

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
