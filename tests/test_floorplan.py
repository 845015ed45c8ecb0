"""Sites for a core's elements: all different, an element's together, and each one nextpnr has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import fpga.synth
from fpga import wrapper
from fpga.devices import DEVICES, Sites
from fpga.floorplan import place_blocks, place_registers
from hfp8_hw.parameters import unit_parameters
from rtl_gen import tools
from rtl_gen.package import generate

from .conftest import later

SMALL = Sites(
    rows=(2, 5),
    columns=(1, 10),
    blocks=((0, 0), (1, 1)),
    logic_columns=(3, 4, 6, 7, 8, 9),
    logic_rows=(3, 4, 6),
)
DSP = {"align": "dsp", "a": "E4M3FN", "b": "E4M3FN"}
EXACT = {"a": "HFP8_FWD", "b": "HFP8_FWD"}


def ecp5() -> Sites:
    found = DEVICES["ecp5-85k"].sites
    assert found is not None
    return found


def netlist(rows: int, cols: int, *, blocks: int = 0, registers: int = 0) -> dict[str, Any]:
    """So many DSP blocks and operand registers an element, and a block and a register aside."""
    cells = {"unit.other": "MULT18X18D", "unit.core_array_e0_0_sum": "TRELLIS_FF"}
    for row in range(rows):
        for col in range(cols):
            element = f"unit.core_array_e{row}_{col}"
            cells |= {f"{element}_p{k}_sig": "MULT18X18D" for k in reversed(range(blocks))}
            cells |= {f"{element}_operand_a_{k}": "TRELLIS_FF" for k in reversed(range(registers))}
    made = {name: {"type": kind, "attributes": {}} for name, kind in cells.items()}
    return {"modules": {"top": {"cells": made}}}


def sites(design: dict[str, Any]) -> dict[tuple[int, int, int], str]:
    """By row, column and number in the element."""
    found = {}
    for name, cell in design["modules"]["top"]["cells"].items():
        at = re.fullmatch(r"unit\.core_array_e(\d+)_(\d+)_(?:p|operand_a_)(\d+)(?:_sig)?", name)
        if at and "BEL" in cell["attributes"]:
            found[int(at[1]), int(at[2]), int(at[3])] = cell["attributes"]["BEL"]
        else:
            assert not cell["attributes"], name
    return found


def test_blocks_by_hand() -> None:
    """Two rows of two elements: the second row comes back below the first."""
    design = netlist(2, 2, blocks=2, registers=3)
    assert place_blocks(design, "top", SMALL) == 8
    assert sites(design) == {
        (0, 0, 0): "X1/Y2/MULT18_0",
        (0, 0, 1): "X2/Y2/MULT18_1",
        (0, 1, 0): "X10/Y2/MULT18_0",
        (0, 1, 1): "X11/Y2/MULT18_1",
        (1, 1, 0): "X10/Y5/MULT18_0",
        (1, 1, 1): "X11/Y5/MULT18_1",
        (1, 0, 0): "X1/Y5/MULT18_0",
        (1, 0, 1): "X2/Y5/MULT18_1",
    }


def test_registers_by_hand() -> None:
    """Each element has three columns of tiles, and begins in the middle of three rows."""
    design = netlist(1, 2, blocks=1, registers=3)
    assert place_registers(design, "top", SMALL) == 6
    assert sites(design) == {
        (0, 0, 0): "X3/Y4/SLICEA.FF0",
        (0, 0, 1): "X3/Y4/SLICEA.FF1",
        (0, 0, 2): "X4/Y4/SLICEA.FF0",
        (0, 1, 0): "X7/Y4/SLICEA.FF0",
        (0, 1, 1): "X7/Y4/SLICEA.FF1",
        (0, 1, 2): "X8/Y4/SLICEA.FF0",
    }


@pytest.mark.parametrize(("rows", "cols", "lanes"), [(4, 4, 8), (4, 4, 2), (2, 2, 16), (1, 1, 1)])
def test_an_element_s_blocks_stand_side_by_side(rows: int, cols: int, lanes: int) -> None:
    design = netlist(rows, cols, blocks=lanes)
    assert place_blocks(design, "top", ecp5()) == rows * cols * lanes
    found = sites(design)
    assert len(set(found.values())) == len(found) == rows * cols * lanes
    line = [f"X{x + dx}/{{}}/MULT18_{z}" for x in ecp5().columns for dx, z in ecp5().blocks]
    for row in range(rows):
        for col in range(cols):
            own = [found[row, col, lane] for lane in range(lanes)]
            (y,) = {site.split("/")[1] for site in own}
            assert int(y[1:]) in ecp5().rows
            at = [line.index(site.replace(y, "{}")) for site in own]
            assert at == list(range(at[0], at[0] + lanes))


@pytest.mark.parametrize(
    ("rows", "cols", "registers"), [(4, 8, 144), (8, 8, 23), (1, 1, 40), (16, 16, 10), (3, 5, 7)]
)
def test_an_element_s_registers_stand_in_its_part(rows: int, cols: int, registers: int) -> None:
    design = netlist(rows, cols, registers=registers)
    assert place_registers(design, "top", ecp5()) == rows * cols * registers
    found = sites(design)
    assert len(set(found.values())) == len(found) == rows * cols * registers
    xs, ys = ecp5().logic_columns, ecp5().logic_rows
    for (row, col, _), site in found.items():
        at = re.fullmatch(r"X(\d+)/Y(\d+)/SLICEA\.FF[01]", site)
        assert at is not None
        assert col * len(xs) // cols <= xs.index(int(at[1])) < (col + 1) * len(xs) // cols
        assert row * len(ys) // rows <= ys.index(int(at[2])) < (row + 1) * len(ys) // rows


@pytest.mark.parametrize(
    ("rows", "cols", "kind"),
    [
        (3, 2, {"blocks": 2}),
        (1, 1, {"blocks": 8}),
        (1, 2, {"registers": 19}),
        (4, 1, {"registers": 1}),
        (0, 0, {}),
    ],
)
def test_what_does_not_fit_is_left_to_nextpnr(rows: int, cols: int, kind: dict[str, int]) -> None:
    """Too many elements, or one that is too large: no part of it gets a site."""
    design = netlist(rows, cols, **kind)
    assert place_blocks(design, "top", SMALL) == place_registers(design, "top", SMALL) == 0
    assert sites(design) == {}


@pytest.mark.parametrize(
    ("given", "kind", "count"), [later(DSP, "MULT18X18D", 4), (EXACT, "TRELLIS_FF", None)]
)
def test_only_a_large_netlist_is_given_sites(
    given: dict[str, Any],
    kind: str,
    count: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A whole core, through Yosys: the names are those that the generator gives. Then nextpnr puts
    each cell on its site. The default placer is for those whose registers have one."""
    few = {"rows": 2, "cols": 1, "lanes": 2, "a_size": 256, "b_size": 256, "terms": 64}
    package = generate(unit_parameters("core", {**few, **given}))
    device = DEVICES["ecp5-85k"]

    def given_sites() -> dict[str, str]:
        design = json.loads((tmp_path / "design.json").read_text())
        cells = design["modules"][wrapper.TOP]["cells"]
        return {
            name: cell["attributes"]["BEL"]
            for name, cell in cells.items()
            if cell["type"] == kind and "BEL" in cell.get("attributes", {})
        }

    monkeypatch.setattr(fpga.synth, "LARGE", 10**6)
    assert fpga.synth._netlist(package, device, given is DSP, tmp_path)[1] == ()
    assert given_sites() == {}
    monkeypatch.setattr(fpga.synth, "LARGE", 100)
    more = fpga.synth._netlist(package, device, given is DSP, tmp_path)[1]
    assert more == (device.large if given is DSP else ())
    wanted = given_sites()
    # Operands of (1,4,3): sign and at least seven bits, for each of two lanes and sides.
    assert len(wanted) == count if count else len(wanted) >= 2 * 2 * 2 * 8
    tool, *arguments = device.place
    arguments += ["--json", "design.json", "--no-route", "--write", "placed.json"]
    tools.run(tool, [*arguments, "--timing-allow-fail"], tmp_path)
    (module,) = json.loads((tmp_path / "placed.json").read_text())["modules"].values()
    placed = {name: module["cells"][name]["attributes"]["NEXTPNR_BEL"] for name in wanted}
    assert placed == wanted


@pytest.mark.slow
def test_nextpnr_has_every_site(tmp_path: Path) -> None:
    """All 156 blocks of the device, and a register in every tile, each on the site it was given."""
    here = ecp5()
    blocks = len(here.rows) * len(here.columns) * len(here.blocks)
    tiles = len(here.logic_rows) * len(here.logic_columns)
    operands = "".join(f", .A{k}(a[{k}]), .B{k}(a[{17 - k}])" for k in range(18))
    lines = [f"  MULT18X18D \\x_array_e{k}_0_p0_ (.P0(p[{k}]){operands});" for k in range(blocks)]
    lines += [
        f"  (* keep *) TRELLIS_FF \\x_array_e0_0_operand_a_{k} (.CLK(clk), .M(a[{k % 18}]));"
        for k in range(2 * tiles)
    ]
    for top, place, chosen in (
        ("blocks", place_blocks, lines[:blocks]),
        ("registers", place_registers, lines[blocks:]),
    ):
        (tmp_path / f"{top}.v").write_text(
            f"module {top} (input clk, input [17:0] a, output [{blocks - 1}:0] p);\n"
            + "\n".join([*chosen, "endmodule", ""])
        )
        script = f"read_verilog {top}.v; synth_ecp5 -top {top} -json {top}.json"
        tools.run("yosys", ["-q", "-p", script], tmp_path)
        design = json.loads((tmp_path / f"{top}.json").read_text())
        assert place(design, top, here) == len(chosen)
        (tmp_path / f"{top}.json").write_text(json.dumps(design))
        tool, *arguments = DEVICES["ecp5-85k"].place
        arguments += ["--json", f"{top}.json", "--no-route", "--write", "placed.json"]
        tools.run(tool, [*arguments, "--timing-allow-fail"], tmp_path)
        given = {
            name: cell["attributes"]["BEL"]
            for name, cell in design["modules"][top]["cells"].items()
            if "BEL" in cell.get("attributes", {})
        }
        (module,) = json.loads((tmp_path / "placed.json").read_text())["modules"].values()
        placed = {name: module["cells"][name]["attributes"]["NEXTPNR_BEL"] for name in given}
        assert placed == given and len(set(given.values())) == len(chosen)
