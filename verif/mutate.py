"""How good the tests are: single faults planted in a unit's netlist, and which of them are found.

Yosys' ``mutate`` plants all faults in one netlist, each switched on by its number at an extra
input, so that one compiled model serves for all. A fault is killed if the unit's regression (the
transfers of ``hfp8 verify``) gives a wrong result or a broken stream contract. A survivor is
compared with the unit by ABC: equivalent if, from reset, no sequence of inputs tells them apart.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError
from rtl_gen import tools
from rtl_gen.package import Package

from . import native
from .claims import Problem, declared, pins
from .evert import step
from .expect import as_driven, expected
from .harness import payload
from .prove import solve
from .verify import phases

MOST = 4000
_SELECT = "mutant"
_PREPARED = "read_verilog unit.v; hierarchy -check -top {top}; proc; flatten; opt -full; opt_clean"
_WORD = re.compile(r"-(\w+) (\S+)")


@dataclass(frozen=True)
class Mutant:
    """One planted fault: its number, what it does, and the line of Verilog it is in."""

    number: int
    mode: str
    place: str
    source: str


@dataclass
class Verdict:
    """What became of a mutant.

    Members
    -------
    status : str
        ``killed``, ``equivalent``, ``survived`` (told from the unit by some inputs, which the
        regression does not have) or ``open`` (no proof either way in the time given).
    by : str
        The phase of the regression that killed it.
    """

    mutant: Mutant
    status: str
    by: str = ""


@dataclass(frozen=True)
class Planted:
    """All mutants of a unit in one netlist (RTLIL), module ``mutants``."""

    netlist: str
    mutants: tuple[Mutant, ...]
    width: int


def plant(package: Package, count: int, seed: int) -> Planted:
    """Plant ``count`` faults, evenly spread over the netlist.

    Raises
    ------
    ParameterError
        If the count is not allowed.
    ToolError
        If Yosys is missing or fails.
    """
    if not 1 <= count <= MOST:
        raise ParameterError(f"count={count!r} is not allowed: 1 to {MOST}")
    width = count.bit_length()
    top = package.manifest["top"]
    prepared = _PREPARED.format(top=top)
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        (folder / "unit.v").write_text(package.verilog)
        # Some more, since those in clock pins are left out: models have one clock.
        asked = f"mutate -list {2 * count} -seed {seed} -o list.ys"
        tools.run("yosys", ["-q", "-p", f"{prepared}; {asked}"], folder)
        listed = (folder / "list.ys").read_text().splitlines()
        lines = [line for line in listed if "-port CLK " not in line][:count]
        control = f"mutate -ctrl {_SELECT} {width}"
        numbered = (line.replace("mutate", f"{control} {k + 1}", 1) for k, line in enumerate(lines))
        (folder / "list.ys").write_text("\n".join(numbered))
        script = f"{prepared}; script list.ys; opt_clean; rename {top} mutants"
        tools.run("yosys", ["-q", "-p", f"{script}; write_rtlil mutants.il"], folder)
        netlist = (folder / "mutants.il").read_text()
    return Planted(netlist, tuple(_mutant(k + 1, line) for k, line in enumerate(lines)), width)


def _mutant(number: int, line: str) -> Mutant:
    facts = dict(_WORD.findall(line))
    place = f"{facts.get('cell', '?')} {facts.get('port', '?')}[{facts.get('portbit', '?')}]"
    return Mutant(number, facts.get("mode", "?"), place, facts.get("src", "?"))


class Regression:
    """A unit's regression on a model that holds all its mutants."""

    def __init__(self, package: Package, planted: Planted, seed: int) -> None:
        self.seed = seed
        manifest = {**package.manifest, "top": "mutants"}
        self.model = native.compile_model(
            planted.netlist,
            manifest,
            read="read_rtlil unit.il",
            suffix=".il",
            extra=(_SELECT,),
            settle=True,
        )
        self.phases = []
        for phase in phases(package, seed):
            outputs, spans = expected(package.manifest, phase.inputs)
            driven = as_driven(package.manifest, phase.inputs)
            self.phases.append((phase.name, phase.stall, driven, outputs, len(spans)))

    def killed_by(self, number: int) -> str | None:
        """The phase that finds a mutant; None if it survives. Number 0 is the unit itself."""
        for name, stall, driven, outputs, due in self.phases:
            lanes = next(iter(driven.values())).shape[1]
            for lane in range(lanes):
                own = {port: values[:, lane] for port, values in driven.items()}
                taken = self.model.run(
                    own, due, stall=stall, seed=self.seed * 97 + lane, extra={_SELECT: number}
                )
                if taken.error is not None or self._differs(taken.outputs, outputs, lane):
                    return name
        return None

    @staticmethod
    def _differs(got: dict[str, NDArray[Any]], outputs: dict[str, NDArray[Any]], lane: int) -> bool:
        return any(
            not np.array_equal(got[port], values[:, lane]) for port, values in outputs.items()
        )


def miter(package: Package, planted: Planted, number: int) -> Problem:
    """The unit beside one mutant, from reset: what can be seen of both is the same."""
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]

    def side(module: str, prefix: str, more: str) -> str:
        wires = "\n".join(f"  wire [{f.width - 1}:0] {prefix}_{f.port};" for f in outs)
        gives = "".join(f", .{f.port}({prefix}_{f.port})" for f in outs)
        return f"""  wire {prefix}_ready, {prefix}_valid;
{wires}
  {module} {prefix}(.clk(clk), .rst(rst), .i_valid(i_valid), .i_ready({prefix}_ready),
    .o_valid({prefix}_valid), .o_ready(o_ready){pins(ins)}{gives}{more});
"""

    def all_of(prefix: str) -> str:
        return "{" + ", ".join(f"{prefix}_{f.port}" for f in outs) + "}"

    chosen = f", .{_SELECT}({planted.width}'d{number})"
    text = f"""module prove(
  input clk, rst, i_valid,
{declared("in", ins)}
  input o_ready
);
{side(package.manifest["top"], "good", "")}{side("mutants", "bad", chosen)}
  reg started = 0;
  always @(posedge clk) begin
    if (rst) started <= 1;
    if (started) begin
      assert (good_ready == bad_ready);
      assert (good_valid == bad_valid);
      if (good_valid) assert ({all_of("good")} == {all_of("bad")});
    end
  end
endmodule
"""
    files = {"unit.v": package.verilog, "mutants.il": planted.netlist, "prove.sv": text}
    # Registers that no reset sets start alike, at zero.
    script = (
        "read_verilog unit.v\nread_rtlil mutants.il\nread_verilog -formal prove.sv\n"
        "hierarchy -check -top prove; proc; flatten; opt -full; opt_clean\n"
        "setundef -init -zero\n"
    )
    return Problem(files, script)


def step_miter(package: Package, planted: Planted, number: int) -> Problem | None:
    """The step functions of the unit and of one mutant, from any state: the same outputs and the
    same next state. None if the registers of the two do not correspond."""
    top = package.manifest["top"]
    good = step(package.verilog, ".v", f"{_PREPARED.format(top=top)}; dffunmap", top, "good")
    bad = step(planted.netlist, ".il", "read_rtlil unit.il; dffunmap", "mutants", "bad")
    if good.widths != bad.widths:
        return None
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    registers = range(len(good.widths))

    def side(name: str, more: str) -> str:
        wires = "".join(f"  wire [{f.width - 1}:0] {name}_{f.port};\n" for f in outs)
        wires += "".join(f"  wire [{w - 1}:0] {name}_d{k};\n" for k, w in enumerate(good.widths))
        wired = "".join(f", .{f.port}({name}_{f.port})" for f in outs)
        wired += "".join(f", .q{k}(q{k}), .d{k}({name}_d{k})" for k in registers)
        return f"""{wires}  wire {name}_ready, {name}_valid;
  {name} unit_{name}(.rst(rst), .i_valid(i_valid), .o_ready(o_ready), .i_ready({name}_ready),
    .o_valid({name}_valid){pins(ins)}{wired}{more});
"""

    fields = ["ready", "valid", *(f.port for f in outs), *(f"d{k}" for k in registers)]
    checks = "\n".join(f"    assert (good_{field} == bad_{field});" for field in fields)
    states = "".join(f"  input [{w - 1}:0] q{k},\n" for k, w in enumerate(good.widths))
    chosen = f", .{_SELECT}({planted.width}'d{number})"
    text = f"""module prove(
  input clk, rst, i_valid,
{declared("in", ins)}
{states}  input o_ready
);
{side("good", "")}{side("bad", chosen)}  always @(posedge clk) begin
{checks}
  end
endmodule
"""
    files = {"good.json": good.netlist, "bad.json": bad.netlist, "prove.sv": text}
    return Problem(
        files, "read_json good.json\nread_json bad.json\nread_verilog -formal prove.sv\n"
    )


def judge(package: Package, planted: Planted, mutant: Mutant, timeout: int) -> Verdict:
    """Whether a survivor is equivalent: by its step function alone, else from reset.

    Raises
    ------
    ToolMissing
        If ABC is not installed.
    """
    alone = step_miter(package, planted, mutant.number)
    if alone is not None:
        proof = solve(alone, "mutant", "abc", 20, timeout)
        if proof.status == "proved":
            return Verdict(mutant, "equivalent")
    proof = solve(miter(package, planted, mutant.number), "mutant", "pairs", 20, timeout)
    word = {"proved": "equivalent", "failed": "survived"}.get(proof.status, "open")
    return Verdict(mutant, word)
