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
from ..formal.claims import Problem
from ..formal.prove import solve
from ..formal.step_function import step
from .mutate import SELECT, Mutant, Planted, Verdict

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
            if got.error is not None or not _same(due, got) or other_clocks(program, got):
                return f"program {k}"
        return None


def _same(due: NativeRan, got: NativeRan) -> bool:
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


class CoreSteps:
    """The step function of a core with its mutants: what all registers and memories hold after a
    clock, of what they hold before it."""

    def __init__(self, package: Package, planted: Planted) -> None:
        read = "read_rtlil unit.il; memory_collect; memory_map; opt_clean; dffunmap; opt_clean"
        self._step = step(planted.netlist, ".il", read, "mutants")
        self._ports = [p for p in package.manifest["ports"] if p["name"] != "clk"]
        self._width = planted.width

    def judge(self, mutant: Mutant, timeout: int) -> Verdict:
        """Whether a survivor is ``equivalent``, whatever state it is in; else it is ``open``."""
        proof = solve(self.problem(mutant.number), "mutant", "pairs", 1, timeout)
        return Verdict(mutant, "equivalent" if proof.status == "proved" else "open")

    def problem(self, number: int) -> Problem:
        """From any state, with any inputs: a mutant has the outputs of the core itself, and the
        same next state."""
        states = [(f"q{k}", width) for k, width in enumerate(self._step.widths)]
        given = [(p["name"], p["width"]) for p in self._ports if p["dir"] == "in"] + states
        shown = [(p["name"], p["width"]) for p in self._ports if p["dir"] == "out"]
        shown += [(f"d{k}", width) for k, width in enumerate(self._step.widths)]
        inputs = "".join(f"  input [{width - 1}:0] {name},\n" for name, width in given)
        sides, wires = "", ""
        for side, chosen in (("good", 0), ("bad", number)):
            wires += "".join(f"  wire [{width - 1}:0] {side}_{name};\n" for name, width in shown)
            pins = "".join(f", .{name}({name})" for name, _ in given)
            pins += "".join(f", .{name}({side}_{name})" for name, _ in shown)
            sides += f"  step {side}(.clk(clk), .{SELECT}({self._width}'d{chosen}){pins});\n"
        good, bad = (", ".join(f"{side}_{name}" for name, _ in shown) for side in ("good", "bad"))
        text = f"""module prove(
{inputs}  input clk
);
{wires}{sides}  always @(posedge clk) assert ({{{good}}} == {{{bad}}});
endmodule
"""
        files = {"step.json": self._step.netlist, "prove.sv": text}
        return Problem(files, "read_json step.json\nread_verilog -formal prove.sv\n")
