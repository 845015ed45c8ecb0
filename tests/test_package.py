"""The Verilog package: contract, determinism, and three programs that read it."""

import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from fpga import yosys
from hfp8_hw import ParameterError, golden, parse_format
from hfp8_hw.hdl.numbers.shape import FloatShape
from hfp8_hw.parameters import UNITS, unit_parameters
from rtl_gen.manifest import schema
from rtl_gen.package import generate, write_whole
from verif.simulation.configurations import MATRIX

from .conftest import check_lint, later

CONFIGURATIONS = [(unit, p) for unit in UNITS for p in MATRIX[unit]]
IDS = [f"{u}-{'-'.join(f'{k}={v}' for k, v in p.items()) or 'defaults'}" for u, p in CONFIGURATIONS]
configurations = pytest.mark.parametrize(("unit", "given"), CONFIGURATIONS, ids=IDS)
some = pytest.mark.parametrize(
    ("unit", "given"),
    [
        (unit, given) if k % 4 == 0 else later(unit, given)
        for unit in UNITS
        for k, given in enumerate(MATRIX[unit])
    ],
    ids=IDS,
)
"""The first and every fourth of a unit's; `make test-all` takes them all."""


@some
def test_three_programs_read_it_without_a_warning(
    unit: str, given: dict[str, Any], tmp_path: Path
) -> None:
    package = check_lint(unit, given, tmp_path)
    assert "lint_off" not in package.verilog
    assert yosys.warnings(package.verilog, package.name) == []


@configurations
def test_manifest_is_valid_and_true(unit: str, given: dict[str, Any]) -> None:
    parameters = unit_parameters(unit, given)
    package = generate(parameters)
    manifest = json.loads(package.files()[f"{package.name}.json"])
    jsonschema.validate(manifest, schema())
    assert manifest["sha256"] == hashlib.sha256(package.verilog.encode()).hexdigest()
    assert manifest["parameters"] == parameters.to_dict()
    assert unit_parameters(unit, manifest["parameters"]) == parameters
    declared = {
        line.split("//")[0].split()[-1].rstrip(",") for line in package.verilog.splitlines()
        if line.startswith(("  input wire", "  output wire"))
    }  # fmt: skip
    assert declared == {port["name"] for port in manifest["ports"]}
    module, function = manifest["golden"]["function"].split(":")
    assert callable(getattr(importlib.import_module(module), function))
    for port in manifest["ports"]:
        if "format" in port and port["format"] != "HFP8":
            fmt = parse_format(port["format"])
            if port.get("encoding") == "fixed":
                # Sign, NaN and infinity beside a magnitude of the golden function's size.
                largest = int(np.max(golden.to_fixed(np.arange(1 << fmt.width), fmt)))
                assert port["width"] == largest.bit_length()
            else:
                assert fmt.width == port["width"]


def test_same_parameters_same_bytes_in_another_process(tmp_path: Path) -> None:
    first = generate(unit_parameters("mac", {})).files()
    script = (
        "import sys, pathlib; from rtl_gen.package import generate;"
        "from hfp8_hw.parameters import unit_parameters;"
        "generate(unit_parameters('mac', {})).write(pathlib.Path(sys.argv[1]))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=env)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == first
    text = "".join(first.values())
    assert str(Path.cwd()) not in text and str(Path.home()) not in text


def test_fusesoc_reads_the_core(tmp_path: Path) -> None:
    package = generate(unit_parameters("quantizer", {}))
    package.write(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "fusesoc.main", "--cores-root", str(tmp_path), "core", "show",
         f"hfp8-hw:units:{package.name}"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "quantizer" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("unit", "given", "text"),
    [
        ("adder", {}, "unit='adder' is not allowed: one of quantizer, dequantizer, convert, mul"),
        ("quantizer", {"random": "xorshift32"}, "random='xorshift32' is not allowed for rounding="),
        (
            "quantizer",
            {"rounding": "SR(8)", "random": "xorshift32", "random_seed": 0},
            "random_seed=0 is not allowed: an integer from 1 to",
        ),
        ("quantizer", {"scale": "4"}, "scale='4' is not allowed: one of none, runtime"),
        ("mac", {"acc": "fixed"}, "acc='fixed' is not allowed for semantics='chunked'"),
        ("mac", {"semantics": "exact", "acc": "fixed"}, "the sum needs 79 bits, at most 62"),
        (
            "mac",
            {"semantics": "exact", "stages": 1},
            "stages=1 is not allowed: an integer from 2 to 6, or 0 for 4",
        ),
        (
            "mac",
            {"semantics": "exact", "terms": 0},
            "terms=0 is not allowed: an integer from 1 to 16777216",
        ),
        (
            "mac",
            {"semantics": "exact", "segments": 9},
            "segments=9 is not allowed: an integer from 1 to 8",
        ),
        ("mac", {"drop": 3}, "drop=3 is not allowed for semantics='chunked'"),
        ("dot", {"lanes": 3}, "lanes=3 is not allowed: one of 2, 4, 8, 16, 32, 64"),
        (
            "dot",
            {"semantics": "fmma", "lanes": 8},
            "lanes=8 is not allowed for semantics='fmma': 2",
        ),
        (
            "dot",
            {"semantics": "fmma", "lanes": 2, "rounding": "RUP"},
            "rounding='RUP' is not allowed for semantics='fmma': RNE or RNA",
        ),
        (
            "dot",
            {"semantics": "fmma", "lanes": 2, "acc": "HFP8_BWD"},
            "acc='HFP8_BWD' is not allowed for semantics='fmma' of HFP8 x HFP8: a format of at "
            "least 7 mantissa bits",
        ),
        ("dot", {"semantics": "dotN", "stages": 12}, "stages=12 is not allowed: an integer from 1"),
        ("mac", {"interleave": 9}, "interleave=9 is not allowed: an integer from 1 to 8"),
        (
            "mac",
            {"interleave": 2, "semantics": "exact"},
            "interleave=2 is not allowed for semantics='exact': 1, as an exact sum takes",
        ),
        ("quantizer", {"lanes": 65}, "lanes=65 is not allowed: an integer from 1 to 64"),
        ("quantizer", {"track": "max"}, "track='max' is not allowed: one of none, amax"),
        (
            "quantizer",
            {"track": "amax", "src": "HFP8"},
            "track='amax' is not allowed for src='HFP8'",
        ),
        ("sgd_update", {"acc": "HFP8_FWD"}, "acc='HFP8_FWD' is not allowed: a format with NaN"),
        ("sgd_update", {"acc": "FP32"}, "acc='FP32' is not allowed for sgd_update: a format of at"),
        ("dot", {"lanes": 8, "chunk": 12}, "chunk=12 is not allowed for lanes=8: a multiple of"),
        ("dot", {"semantics": "fma"}, "semantics='fma' is not allowed: one of exact, exact_chunk"),
        ("fp_add", {"rounding": "SR(3)"}, "rounding='SR(3)' is not allowed for fp_add"),
        ("fp_max", {"fmt": "E4M3B7:flush:none"}, "is not allowed for fp_max: its zeros have"),
        ("mac", {"src": "FP32"}, "src='FP32' is not allowed: mac has no such parameter, only"),
        ("mac", {"chunk": 0}, "chunk=0 is not allowed: an integer from 1 to 65536"),
        ("mac", {"chunk": "x"}, "chunk='x' is not allowed: an integer"),
        ("mac", {"stages": 5}, "stages=5 is not allowed: an integer from 1 to 4"),
        ("mac", {"semantics": "sum"}, "semantics='sum' is not allowed: one of fma, chunked"),
        ("mac", {"rounding": "SR(4)"}, "rounding='SR(4)' is not allowed for an accumulator"),
        ("mac", {"a": "E5"}, "a='E5' is not allowed: one of HFP8, HFP8_FWD"),
        ("mac", {"a": "E1M3"}, "a='E1M3': exp_bits=1 is not allowed"),
        ("mac", {"acc": "HFP8"}, "acc='HFP8' is not allowed"),
        ("mac", {"a": "FP16", "bias": "runtime"}, "bias='runtime' is not allowed for a=FP16"),
        (
            "mac",
            {"acc": "HFP8_FWD", "overflow": "special"},
            "overflow='special' is not allowed for HFP8_FWD",
        ),
        ("mul", {"a": "FP32", "b": "FP32"}, "out='exact' is not allowed for a=FP32, b=FP32"),
        ("mul", {"bias": "dynamic"}, "bias='dynamic' is not allowed: one of static, runtime"),
        ("quantizer", {"dst": "FP16"}, "dst='FP16' is not allowed: a quantizer's output has"),
        ("quantizer", {"rounding": "SR(0)"}, "rounding='SR(0)' is not allowed"),
        ("quantizer", {"overflow": "special"}, "overflow='special' is not allowed for HFP8_FWD"),
        ("dequantizer", {"src": "FP16"}, "src='FP16' is not allowed: a dequantizer's input has"),
    ],
)
def test_bad_parameters(unit: str, given: dict[str, Any], text: str) -> None:
    with pytest.raises(ParameterError) as error:
        unit_parameters(unit, given)
    assert text in str(error.value)


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    target.write_text("before")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(target, b"after")
    assert [p.name for p in tmp_path.iterdir()] == ["file"] and target.read_text() == "before"


def test_float_shape_knows_its_format() -> None:
    from amaranth.hdl import Const, Shape, Signal

    shape = FloatShape("HFP8_BWD")
    assert Shape.cast(shape).width == 8 and shape.fmt.bias == 15
    signal = Signal(shape, init=0x7E)
    assert len(signal.man) == 2 and len(signal.exp) == 5 and len(signal.sign) == 1
    assert Const.cast(shape.const(0x7E)).value == 0x7E
    with pytest.raises(ParameterError, match="code=256 is not allowed"):
        shape.const(256)


def test_yosys_warnings_are_seen_where_they_name_a_file() -> None:
    """Yosys begins some of them with a file and a line."""
    text = "module u(input wire a, output wire y);\n  wire [1:0] w = {2{a}};\n"
    text += "  assign y = w[5];\nendmodule\n"
    (found,) = yosys.warnings(text, "u")
    assert found.startswith("unit.v:3: Warning: Range select out of bounds")


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write_whole(tmp_path / "link.json", b"new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(tmp_path / "pipe", b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    write_whole(Path(os.devnull), b"gone")
    assert Path(os.devnull).is_char_device()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "missing" / "a.json"):
        with pytest.raises(OSError, match=rf"{re.escape(str(path))}'$"):
            write_whole(path, b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_package_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    made = generate(unit_parameters("relu", {"fmt": "E4M3FN"}), "r")
    (tmp_path / "r.core").mkdir()
    with pytest.raises(IsADirectoryError, match=r"r\.core'$"):
        made.write(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["r.core"]
