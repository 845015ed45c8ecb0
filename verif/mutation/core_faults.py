"""Faults planted in a core, and whether the programs of ``hfp8 verify core`` find them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from hfp8_hw.parameters import CoreParameters
from rtl_gen import tools
from rtl_gen.package import Package

from ..core.compiled import native
from ..core.compiled.native_run import NativeRan, other_clocks, run_natively
from ..core.configurations import programs
from ..core.run_core import CoreOutcome, check
from ..errors import SimulationError
from .mutate import SELECT, Planted

_UNSEEN = ("BUSY", "STALL_OUT", "STALL_IN")
"""Counters that a run with pauses says nothing of."""


class CoreRegression:
    """The programs of a core on a compiled model that holds all its mutants.

    What they give on the core itself is held against golden once, and what a mutant gives against
    that: results, flags, registers, the clocks of programs without pauses.

    Raises
    ------
    ToolMissing, ToolError, SimulationError
        If a tool is missing or fails, or the core does not give what it should.
    """

    def __init__(self, package: Package, p: CoreParameters, planted: Planted, seed: int) -> None:
        with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
            folder = Path(scratch)
            (folder / "mutants.il").write_text(planted.netlist)
            script = "read_rtlil mutants.il; write_verilog -noattr mutants.v"
            tools.run("yosys", ["-q", "-p", script], folder)
            self._verilog = (folder / "mutants.v").read_text()
        self._manifest = {**package.manifest, "top": "mutants"}
        self._seed = seed
        self._programs = programs(p, seed, large=True)
        self._due: list[NativeRan] = []
        outcome = CoreOutcome()
        model = self._model(0)
        for number, program in enumerate(self._programs):
            ran = run_natively(model, program, seed + number)
            if ran.error:
                raise SimulationError(f"native: {ran.error}")
            check(outcome, program, number, ran)
            self._due.append(ran)
        if outcome.first is not None:
            raise SimulationError(f"native: {outcome.first}")

    def _model(self, number: int) -> native.Model:
        """A new one, in which no fault has left anything."""
        model = native.compiled(self._verilog, self._manifest, (SELECT,))
        model.hold(0, number)
        return model

    def killed_by(self, number: int) -> str | None:
        """The program that finds a mutant; None if it survives. Number 0 is the core itself."""
        model = self._model(number)
        for k, (program, due) in enumerate(zip(self._programs, self._due, strict=True)):
            got = run_natively(model, program, self._seed + k)
            if got.error is not None or not same(due, got) or other_clocks(program, got):
                return f"program {k}"
        return None


def same(due: NativeRan, got: NativeRan) -> bool:
    """Whether `check` can tell nothing from these runs."""
    names = [name for name in due.registers if name.rpartition("_")[0] not in _UNSEEN]
    return (
        len(due.frames) == len(got.frames)
        and all(due.registers[name] == got.registers[name] for name in names)
        and all(
            np.array_equal(one.keep, other.keep)
            and np.array_equal(one.codes[one.keep], other.codes[one.keep])
            and np.array_equal(one.flags[one.keep], other.flags[one.keep])
            for one, other in zip(due.frames, got.frames, strict=True)
        )
    )
