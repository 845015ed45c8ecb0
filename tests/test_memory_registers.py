"""Registers moved into block RAMs: which ones go, and that nothing else changes."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpga import memory_registers
from fpga.netlist import flop_control
from fpga.synth import pack
from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters
from rtl_gen import tools
from rtl_gen.package import generate
from verif.core.program import Program
from verif.core.run_core import run

from .block_ram import block_ram
from .conftest import later
from .test_netlist import cells, netlist

PLAIN = "read <= memory[ra]; q <= read;"
ENABLE = "read <= memory[ra]; if (en) q <= read;"
GO = {
    "plain": PLAIN,
    "enable": ENABLE,
    "port_that_pauses": "if (en) read <= memory[ra]; q <= read;",
    "both_pause": "if (en) read <= memory[ra]; if (we) q <= read;",
    "only_some_bits_are_read": "read <= memory[ra]; q <= read & {W{1'b1}} >> 1;",
}
STAY = {
    "reset": "read <= memory[ra]; if (en) q <= 0; else q <= read;",
    "read_before_it": "read <= memory[ra]; q <= read; beside <= read ^ q;",
    "two_enables": "read <= memory[ra]; if (en) q[0] <= read[0]; if (we) q[W-1:1] <= read[W-1:1];",
    "a_gate_between": "read <= memory[ra]; q <= ~read;",
    "a_bit_without": "read <= memory[ra]; q[W-1:1] <= read[W-1:1]; q[0] <= read[0] & en;",
}


def design(name: str, width: int, body: str, before: str = "") -> str:
    return f"""
module {name} (input clk, we, en, input [8:0] wa, ra, input [{width - 1}:0] d,
               output reg [{width - 1}:0] q, beside);
  localparam W = {width};
  (* no_rw_check, ram_style = "block" *) reg [W-1:0] memory [0:511];
  reg [W-1:0] read;
  {before}
  always @(posedge clk) begin
    if (we) memory[wa] <= d;
    {body}
  end
endmodule
"""


def bench(width: int) -> str:
    """Both with the same random inputs after every word is written; no word is read while it is
    written, which is left open. Prints how often the outputs differ, and how many were known."""
    ports = ".clk(clk), .we(we), .en(en), .wa(wa), .ra(ra), .d(d)"
    return f"""
module tb;
  reg clk = 0, we = 0, en = 0; reg [8:0] wa = 0, ra = 0; reg [{width - 1}:0] d = 0;
  wire [{width - 1}:0] q, beside, wanted, wanted_beside;
  integer n, seed = 1, wrong = 0, known = 0;
  made gates ({ports}, .q(q), .beside(beside));
  given rtl ({ports}, .q(wanted), .beside(wanted_beside));
  always #1 clk = ~clk;
  initial begin
    for (n = 0; n < 3000; n = n + 1) begin
      @(negedge clk);
      if (n > 600) begin
        if (^wanted !== 1'bx) known = known + 1;
        if (^wanted !== 1'bx && q !== wanted) wrong = wrong + 1;
      end
      wa = n < 512 ? n : $random(seed); we = n < 512 || n[0]; d = $random(seed);
      ra = $random(seed); en = $random(seed);
      if (ra == wa) ra = ra + 1;
    end
    $display("%0d %0d", wrong, known);
    $finish;
  end
endmodule
"""


def synthesised(folder: Path, width: int, body: str, before: str = "") -> Path:
    (folder / "made.v").write_text(design("made", width, body, before))
    synth = "synth_ecp5 -top made -json made.json"
    tools.run("yosys", ["-q", "-p", f"read_verilog made.v; {synth}"], folder)
    return folder / "made.json"


def moved(folder: Path, width: int, body: str, before: str = "") -> tuple[str, int, int]:
    """What became of it: Verilog of the netlist, wrong outputs, known ones."""
    synthesised(folder, width, body, before)
    pack(folder / "made.json", "made", dsp=False)
    tools.run("yosys", ["-q", "-p", "read_json made.json; write_verilog gates.v"], folder)
    gates = (folder / "gates.v").read_text()
    text = gates + cells() + block_ram() + design("given", width, body, before) + bench(width)
    (folder / "all.v").write_text(text)
    subprocess.run(["iverilog", "-g2012", "-o", "tb", "all.v"], cwd=folder, check=True)
    done = subprocess.run(["vvp", "tb"], cwd=folder, check=True, capture_output=True, text=True)
    wrong, known = done.stdout.split()
    return gates, int(wrong), int(known)


@pytest.mark.parametrize("width", [18, 7, 36, 30])
@pytest.mark.parametrize("kind", GO)
def test_a_word_goes_into_the_block(kind: str, width: int, tmp_path: Path) -> None:
    gates, wrong, known = moved(tmp_path, width, GO[kind])
    assert '.REGMODE_B("OUTREG")' in gates and "TRELLIS_FF #(" not in gates
    assert ('.REGMODE_A("OUTREG")' in gates) == (width > 18)
    assert wrong == 0 and known > 2300


@pytest.mark.parametrize("kind", STAY)
def test_what_the_block_cannot_do_stays(kind: str, tmp_path: Path) -> None:
    gates, wrong, known = moved(tmp_path, 9, STAY[kind])
    assert "OUTREG" not in gates and "DP16KD #(" in gates and "TRELLIS_FF #(" in gates
    assert wrong == 0 and known > 1000


def test_a_register_that_begins_with_ones_stays(tmp_path: Path) -> None:
    gates, wrong, _ = moved(tmp_path, 9, PLAIN, "initial q = ~0;")
    assert "OUTREG" not in gates and wrong == 0


@pytest.mark.parametrize("change", [{"RSTB": [1]}, {"OCEB": [1]}, {"CLKA": [1]}])
def test_a_port_that_does_more_is_left_alone(change: dict[str, Any], tmp_path: Path) -> None:
    found = json.loads(synthesised(tmp_path, 36, PLAIN).read_text())
    cells = found["modules"]["made"]["cells"].values()
    block = next(cell for cell in cells if cell["type"] == "DP16KD")
    block["connections"].update(change)
    assert memory_registers.absorb_words(found, "made") == 0
    del block["connections"][next(iter(change))]
    assert memory_registers.absorb_words(found, "made") == 0


def test_a_block_with_ports_of_two_widths_is_left_alone(tmp_path: Path) -> None:
    found = json.loads(synthesised(tmp_path, 36, PLAIN).read_text())
    cells = found["modules"]["made"]["cells"].values()
    block = next(cell for cell in cells if cell["type"] == "DP16KD")
    assert int(block["parameters"]["DATA_WIDTH_B"], 2) == 36
    block["parameters"]["DATA_WIDTH_A"] = f"{18:032b}"
    assert memory_registers.absorb_words(found, "made") == 0


def test_a_register_taken_in_wrongly_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(flop: dict[str, Any]) -> tuple[int | str, int | str, bool]:
        return flop_control(flop)[0], "1", False

    monkeypatch.setattr(memory_registers, "flop_control", careless)
    gates, wrong, _ = moved(tmp_path, 9, ENABLE)
    assert "OUTREG" in gates and wrong > 500


@pytest.mark.parametrize(
    "given", [later({}), later({"align": "dsp", "a": "E4M3FN", "b": "E4M3FN"})]
)
def test_a_core_of_cells_agrees_with_golden(given: dict[str, Any], tmp_path: Path) -> None:
    """A whole core after synthesis: words come out of the block RAMs' own registers, and products
    out of those of DSP blocks, though nothing holds them back."""
    p = CoreParameters(**{"rows": 2, "cols": 1, "lanes": 1, "stages": 2, **given})
    package = generate(p)
    gates = netlist(package, tmp_path)
    assert gates.count('.REGMODE_B("OUTREG")') >= 2
    assert ('_CLK("CLK0")' in gates) == bool(given)
    program, rng = Program(p), np.random.default_rng(1)
    for m, n, k in ((5, 3, 7), (1, 1, 1), (4, 6, 20)):
        program.random(rng, GemmJob(m, n, k, transpose_a=bool(m & 1)))
    found = run(replace(package, verilog=gates + block_ram()), "icarus", [program], seed=1)
    assert (found.mismatches, found.first, found.results) == (0, None, 40)
