"""What an engineer reads in a generated file: the header, the ports, the names, the stages."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hfp8_hw.parameters import unit_parameters
from rtl_gen import header, net_names
from rtl_gen.netlist import Netlist
from rtl_gen.package import Package, generate
from rtl_gen.ports import Port, meaning

UNITS: list[tuple[str, dict[str, Any]]] = [
    ("quantizer", {"lanes": 4, "track": "amax", "stages": 4}),
    ("mul", {}),
    ("mac", {}),
    ("mac", {"semantics": "exact", "acc": "fixed", "a": "HFP8_FWD", "b": "HFP8_FWD"}),
    ("dot", {"semantics": "dotN", "lanes": 2, "interleave": 2}),
    ("loss_scale", {}),
]
units = pytest.mark.parametrize(("unit", "given"), UNITS)


def made(unit: str, given: dict[str, Any]) -> Package:
    return generate(unit_parameters(unit, given), "u")


def comment(package: Package) -> str:
    """The header, without its slashes."""
    head = package.verilog.partition("\nmodule ")[0]
    assert all(line.startswith("//") or not line for line in head.splitlines())
    return "\n".join(line[2:].strip() for line in head.splitlines())


@units
def test_the_header_says_what_the_manifest_says(unit: str, given: dict[str, Any]) -> None:
    package = made(unit, given)
    text = comment(package)
    assert text.startswith("SPDX-License-Identifier: Apache-2.0\n")
    assert len(text.splitlines()) <= 60
    for key, value in package.manifest["parameters"].items():
        assert f"{key}={value}" in text.split()
    latency = package.manifest["latency"]
    assert latency is None or re.search(rf"Latency: +{latency} clocks?( or more)?,", text)
    assert re.search(rf"Interval: +{package.manifest['interval']} clocks? from", text)
    assert all(len(line) <= 100 for line in package.verilog.split("\nmodule ")[0].splitlines())


def test_flags_stand_at_the_bits_of_numerics() -> None:
    page = Path("docs/numerics.md").read_text()
    order = re.search(r"\*\*Flags\*\*, from bit 0: (.*?)\. ", page, re.DOTALL)
    assert order is not None
    assert re.findall(r"`(\w+)`", order[1]) == [name for name, _ in header.FLAGS]
    assert re.search(r"bit 3  invalid ", comment(made("mul", {})))
    # Some have flags of their own, or none.
    assert "bit 0  skip" in comment(made("loss_scale", {}))
    assert "underflow" not in comment(made("loss_scale", {}))
    assert "always 0" in comment(made("relu", {}))


@pytest.mark.parametrize(("unit", "given"), [*UNITS, ("quantizer", {"lanes": 16})])
def test_the_template_compiles_as_it_is(unit: str, given: dict[str, Any], tmp_path: Path) -> None:
    package = made(unit, given)
    head = package.verilog.partition("\nmodule ")[0]
    template = [line[2:] for line in head.splitlines()]
    template = template[next(k for k, line in enumerate(template) if line.startswith(" u ")) :]
    nets = "".join(
        f"  wire [{port['width'] - 1}:0] {port['name']};\n" for port in package.manifest["ports"]
    )
    (tmp_path / "u.v").write_text(package.verilog)
    top = "`default_nettype none\nmodule top;\n" + nets + "\n".join(template) + "\nendmodule\n"
    (tmp_path / "top.v").write_text(top)
    done = subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-t", "null", "-s", "top", "top.v", "u.v"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "port" not in done.stderr, done.stderr


def test_a_sum_interval_is_told_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = unit_parameters("mac", {})
    monkeypatch.setattr(type(parameters), "sum_interval", 7, raising=False)
    text = header.header(parameters, "u", [Port("clk", "in", 1, "clock")])
    assert re.search(r"Sum interval: +7 clocks", text)


@units
def test_every_port_has_a_comment_with_its_width(unit: str, given: dict[str, Any]) -> None:
    package = made(unit, given)
    for port in package.manifest["ports"]:
        line = re.search(
            rf"^  (in|out)put wire .*\b{port['name']}\b.*// (.*)$", package.verilog, re.M
        )
        assert line is not None, port
        width = "1 bit" if port["width"] == 1 else f"{port['width']} bits"
        assert line[2].endswith(f"({width})")
        assert port.get("format", "") == "HFP8" or port.get("format", "") in line[2]


def test_what_ports_mean() -> None:
    def text(name: str, unit: str = "mac", fmt: str | None = None) -> str:
        return meaning(Port(name, "in", 8, "data", fmt), unit)

    assert text("i_a3", fmt="E4M3FN") == "operand a of lane 3, E4M3FN code (8 bits)"
    assert text("i_mode_b") == "format of b: 0 HFP8_FWD, 1 HFP8_BWD (8 bits)"
    assert text("i_bias") == "exponent bias, two's complement (8 bits)"
    assert text("o_y") == "sum in fixed point, two's complement (8 bits)"
    assert text("o_flags", "loss_scale") == "bit 0: skip this step (8 bits)"


@units
def test_few_signals_are_only_numbered(unit: str, given: dict[str, Any]) -> None:
    found = re.findall(r"^  (?:wire|reg) (?:\[\d+:0\] )?(\w+)", made(unit, given).verilog, re.M)
    numbered = [name for name in found if re.fullmatch(r"n\d+", name)]
    assert len(found) == len(set(found))
    assert len(numbered) * 50 <= len(found)


def test_a_reader_finds_the_steps_of_a_mac() -> None:
    text = made("mac", {}).verilog
    for name in ("a_exp", "b_zero", "p_sign", "sum_distance", "sum_addend", "sum_result",
                 "y_sticky", "y_up", "y_over", "slot_total"):  # fmt: skip
        assert re.search(rf"^  (?:wire|reg) (?:\[\d+:0\] )?{name}\b", text, re.M), name
    stages = re.findall(r"^  // Registers of stage (\w+)$", text, re.M)
    assert stages == ["unpack", "product", "slot"]


@pytest.mark.parametrize("stages", [1, 3, 5])
def test_stages_stand_in_the_order_of_the_data(stages: int) -> None:
    text = made("quantizer", {"stages": stages}).verilog
    order = ["input", "unpack", "place", "align", "output"]
    found = re.findall(r"^  // Registers of stage (\w+)$", text, re.M)
    assert len(found) == stages and found == [name for name in order if name in found]


def test_names_follow_the_source() -> None:
    """A netlist by hand: a slice, a part, a register's input, and a keyword."""
    cells = {
        "a": {"type": "$not", "parameters": {}, "connections": {"A": [2, 3], "Y": [4, 5]}},
        "b": {"type": "$and", "parameters": {},
              "connections": {"A": [4], "B": [2], "Y": [6]}},
        "c": {"type": "$dff", "parameters": {},
              "connections": {"CLK": [9], "D": [6], "Q": [7]}},
        "d": {"type": "$or", "parameters": {}, "connections": {"A": [7], "B": [5], "Y": [8]}},
    }  # fmt: skip
    nets = {
        "unit.word": {"bits": [20, 4, 5, 21], "hide_name": 0},
        "unit.i__payload.x": {"bits": [4, 5], "hide_name": 0},
        "unit.stage1.total": {"bits": [7], "hide_name": 0,
                              "attributes": {"reset_value": "0", "stage": "first"}},
        "unit.wire": {"bits": [8], "hide_name": 0},
    }  # fmt: skip
    ports = {
        "clk": {"direction": "input", "bits": [9]},
        "x": {"direction": "input", "bits": [2, 3]},
        "y": {"direction": "output", "bits": [8]},
    }
    design = {"modules": {"u": {"ports": ports, "cells": cells, "netnames": nets}}}
    netlist = Netlist(json.dumps(design), "u", ["clk", "x", "y"])
    net_names.name_cells(netlist, reserved={"wire"})
    found = {cell.kind: (cell.name, cell.origin) for cell in netlist.cells}
    assert found == {
        "$not": ("word_2to1", "source"),
        "$and": ("stage1_total_next", "derived"),
        "$dff": ("stage1_total", "source"),
        "$or": ("wire_2", "source"),
    }
    assert next(cell.stage for cell in netlist.cells if cell.is_register) == "first"
