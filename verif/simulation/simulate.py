"""The one way to run a simulator: build a harness (or reuse it), run the bench, read the result."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl_gen.cache import built, cache_dir
from rtl_gen.package import Package

from ..errors import SimulationError
from . import simulators
from .code_coverage import HEADER, Place, mended, places
from .harness import TOP, harness

_LEFT = (".a", ".cpp", ".d", ".gch", ".h", ".o")
"""What a build leaves and a simulation does not need."""


@dataclass(frozen=True)
class Phase:
    """A list of transfers to drive, after a reset.

    Members
    -------
    name : str
    inputs : dict of ndarray
        By port of the payload: integers, (transfers, lanes); lanes are copies of the unit, which
        run in lockstep, so frames are alike in all of them.
    stall : float
        Probability of a clock in which the driver offers nothing, and of one in which the
        monitor is not ready.
    pause : float
        The first of them alone, where ``stall`` is 0.
    resets : int
        How many times the unit is reset in mid-stream before the run that counts.
    reset_at : sequence of int
        As many more resets, each so many clocks after a new start.
    """

    name: str
    inputs: dict[str, NDArray[Any]]
    stall: float = 0.0
    pause: float = 0.0
    resets: int = 0
    reset_at: Sequence[int] = ()


@dataclass
class Outcome:
    """What one simulation found.

    Members
    -------
    vectors : int
        Results compared with the golden model.
    mismatches : int
        How many differed in code or flags.
    first : dict or None
        The first mismatch: phase, index, inputs, expected, got.
    error : str or None
        A broken stream contract (a lost, extra or changed transfer), in words.
    outputs : list of dict of ndarray
        For each phase the codes and flags the unit gave, by port; (results, lanes).
    code : list of `verif.simulation.code_coverage.Place`
        Line, branch and toggle coverage, if asked for.
    handshakes : dict
        How many clocks the streams were in which state, if coverage was asked for; see
        `verif.simulation.bench.Handshakes`.
    """

    vectors: int
    mismatches: int
    seconds: float
    first: dict[str, Any] | None = None
    error: str | None = None
    waves: str | None = None
    outputs: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    code: list[Place] = field(default_factory=list)
    handshakes: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether everything compared equal, and something was compared."""
        return self.vectors > 0 and self.mismatches == 0 and self.error is None


def run(
    package: Package,
    simulator: str,
    phases: Sequence[Phase],
    *,
    seed: int = 0,
    waves: Path | None = None,
    coverage: bool = False,
) -> Outcome:
    """Drive a generated unit with transfers and compare every result with the golden model.

    Parameters
    ----------
    package : Package
    simulator : str
        ``icarus`` or ``verilator``.
    phases : sequence of Phase
        All with the same number of lanes.
    seed : int
        Of the stall patterns and the resets.
    waves : Path, optional
        Where to leave an FST file.
    coverage : bool
        Measure line, branch and toggle coverage, which only Verilator can, and the streams'
        states.

    Raises
    ------
    ToolMissing
        If the simulator cannot run here.
    SimulationError
        If it fails.
    """
    tool = simulators.find(simulator)
    if waves is not None and simulator == "verilator":
        simulators.check_headers()
    lanes = next(iter(phases[0].inputs.values())).shape[1]
    build = _build(package, tool, lanes, waves is not None, coverage)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        steps = []
        for k, phase in enumerate(phases):
            np.savez(folder / f"inputs{k}.npz", allow_pickle=False, **phase.inputs)
            steps.append({"name": phase.name, "stall": phase.stall, "pause": phase.pause,
                          "resets": phase.resets, "reset_at": list(phase.reset_at)})  # fmt: skip
        job = {"manifest": package.manifest, "seed": seed, "phases": steps, "watch": coverage}
        (folder / "job.json").write_text(json.dumps(job))
        cocotb_test(tool, build, folder, TOP, "verif.simulation.bench", waves is not None)
        result = json.loads((folder / "result.json").read_text())
        found = result["runs"]
        outputs = []
        for k in range(len(phases)):
            with np.load(folder / f"outputs{k}.npz") as saved:
                outputs.append({name: saved[name] for name in saved.files})
        left = None if waves is None else str(keep_waves(folder, waves))
        code = places(folder / "coverage.dat", package.name) if coverage else []
    return Outcome(
        sum(part["vectors"] for part in found),
        sum(part["mismatches"] for part in found),
        time.monotonic() - start,
        next((part["first"] for part in found if part["first"]), None),
        next((part["error"] for part in found if part["error"]), None),
        left,
        outputs,
        code,
        result["handshakes"] or {},
    )


def keep_waves(folder: Path, target: Path) -> Path:
    """Put the waveform that a simulation left in its folder where it is wanted.

    Raises
    ------
    SimulationError
        If there is none.
    """
    dumps = sorted(folder.glob("*.fst"))
    if not dumps:
        raise SimulationError("the simulator left no waveform")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(dumps[0], target)
    return target


def _runner(tool: simulators.Tool) -> Any:
    from cocotb_tools.runner import get_runner

    return get_runner(tool.name)


@contextlib.contextmanager
def _environment(env: dict[str, str]) -> Any:
    """The runner looks tools up in, and hands on, this process' environment."""
    before = os.environ.copy()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _build(
    package: Package, tool: simulators.Tool, lanes: int, waves: bool, coverage: bool
) -> Path:
    """The folder of the built simulation, made if it is not in the cache."""
    text = harness(package.manifest, lanes)
    facts = [package.verilog, text, tool.name, tool.version, str(waves), version("cocotb"),
             sys.version, sys.prefix, *(["mended coverage"] if coverage else [])]  # fmt: skip

    def make(folder: Path) -> None:
        sources = []
        for name, content in ((package.name, package.verilog), (TOP, text)):
            sources.append(folder / f"{name}.v")
            sources[-1].write_text(content)
        if coverage:
            # Found ahead of the library's by what Verilator writes beside it.
            (folder / HEADER).write_text(mended((tool.library() / HEADER).read_text()))
        cocotb_build(tool, folder, sources, TOP, waves, coverage)

    return built("builds", facts, make)


def cocotb_build(
    tool: simulators.Tool,
    folder: Path,
    sources: list[Path],
    top: str,
    waves: bool = False,
    coverage: bool = False,
) -> None:
    """Build a simulation of ``top`` in a folder.

    Raises
    ------
    SimulationError
        If the simulator refuses.
    """
    env = tool.env()
    args: list[str] = []
    if tool.name == "verilator":
        env["OBJCACHE"] = f"{sys.executable} {Path(__file__).with_name('object_cache.py')}"
        env["HFP8_OBJECTS"] = str(cache_dir() / "objects")
        # The PyPI package was configured without the compiler option that names a precompiled
        # header, which larger models use.
        flags = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O1 OPT_GLOBAL=-O1"
        # It calls for `python`, which a machine may only have as python3.
        env["MAKEFLAGS"] = f"{flags} PYTHON3={sys.executable}"
        # Only the harness' own ports need to be seen by the bench; without that, everything in
        # every copy is kept and named, and builds take minutes.
        args = ["-Wno-fatal", "--no-public-flat-rw", "--x-initial", "unique"]
        args += ["--trace-fst"] if waves else []
        # One copy of the unit's code for all instances, and of its counters.
        args += ["--coverage-line", "--coverage-toggle", "-fno-inline"] if coverage else []
    log = folder / "build.log"
    with _environment(env), contextlib.redirect_stdout(io.StringIO()):
        try:
            _runner(tool).build(
                sources=sources,
                hdl_toplevel=top,
                build_dir=folder,
                build_args=args,
                timescale=("1ns", "1ps"),
                waves=waves,
                always=True,
                log_file=log,
            )
        except (RuntimeError, SystemExit) as error:
            raise SimulationError(f"{tool.name} did not build: {_tail(log) or error}") from None
    # A precompiled header and objects are twenty times what runs.
    for path in folder.iterdir():
        if path.suffix in _LEFT and path.is_file():
            path.unlink()


def cocotb_test(
    tool: simulators.Tool, build: Path, folder: Path, top: str, bench: str, waves: bool = False
) -> None:
    """Run a bench, a module with cocotb tests, on what `cocotb_build` built.

    The bench finds the folder in the environment, as ``HFP8_JOB``; it leaves ``result.json``.

    Raises
    ------
    SimulationError
        If it does not.
    """
    log = folder / "test.log"
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
    with _environment(tool.env()), contextlib.redirect_stdout(io.StringIO()):
        try:
            _runner(tool).test(
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                test_module=bench,
                build_dir=build,
                test_dir=folder,
                results_xml=str(folder / "results.xml"),
                extra_env={
                    "HFP8_JOB": str(folder),
                    "PYTHONPATH": path,
                    "COCOTB_LOG_LEVEL": "WARNING",
                },
                timescale=("1ns", "1ps"),
                waves=waves,
                plusargs=[f"+dumpfile_path={folder / 'icarus.fst'}"] if waves else [],
                log_file=log,
            )
        except (RuntimeError, SystemExit) as error:
            raise SimulationError(f"{tool.name} did not run: {_tail(log) or error}") from None
    if not (folder / "result.json").exists():
        raise SimulationError(f"{tool.name} ended without a result: {_tail(log)}")


def _tail(log: Path) -> str:
    if not log.exists():
        return ""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join(lines[-15:])
