"""AXI4-Stream wrappers, VHDL components and testbenches, by the tools that users have."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from fpga import yosys
from hfp8_hw.golden import dot, relu
from hfp8_hw.parameters import unit_parameters
from rtl_gen.dropin import axis
from rtl_gen.manifest import schema
from rtl_gen.package import Package, generate
from verif.simulation import simulators
from verif.simulation.golden_columns import golden_columns
from verif.simulation.simulate import cocotb_build, cocotb_test

from .conftest import Cli, later

UNITS = [
    ("relu", {"stages": 1}, "sync_n"),
    later("mac", {"semantics": "chunked", "chunk": 8, "interleave": 4, "bias": "runtime"}, "async"),
    later("quantizer", {"track": "amax", "lanes": 3}, "sync"),
    later("dot", {"a": "E4M3FN", "b": "E4M3FN", "acc": "fixed", "semantics": "exact"}, "async_n"),
    later("mul", {}, "sync"),
    later("weight_update", {}, "async_n"),
    later("loss_scale", {}, "async"),
    later("to_fixed", {}, "sync"),
]
units = pytest.mark.parametrize(("unit", "given", "reset"), UNITS)


def words(given: dict[str, Any]) -> list[str]:
    return [word for key, value in given.items() for word in (f"--{key}", str(value))]


def icarus(folder: Path, *names: str) -> str:
    """What a testbench prints; it is read without a warning."""
    command = ["iverilog", "-g2005", "-Wall", "-o", "tb", *(f"{name}.v" for name in names)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr + done.stdout, done.stderr
    done = subprocess.run(["vvp", "tb"], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@units
def test_golden_vectors_without_python(
    cli: Cli, tmp_path: Path, unit: str, given: dict[str, Any], reset: str
) -> None:
    """Of the unit and of its wrapper; and a wrong vector is found."""
    for folder, more, names in (
        (tmp_path / "unit", [], ("u", "u_tb")),
        (tmp_path / "axis", ["--wrap", "axis", "--reset", reset], ("u", "u_axis", "u_tb")),
    ):
        status, _, err = cli("gen", unit, *words(given), *more, "--vectors", 200, "--seed", 7,
                             "--name", "u", "-o", folder)  # fmt: skip
        assert (status, err) == (0, "")
        count = len((folder / "u_out.hex").read_text().split())
        assert 0 < count <= 200 and len((folder / "u_in.hex").read_text().split()) == 200
        assert icarus(folder, *names).splitlines()[-1].startswith(f"PASS: {count} results")
        lines = (folder / "u_out.hex").read_text().splitlines()
        lines[-1] = f"{int(lines[-1], 16) ^ 1:0{len(lines[-1])}x}"
        (folder / "u_out.hex").write_text("\n".join(lines))
        said = icarus(folder, *names).splitlines()
        assert said[0].startswith(f"result {count - 1} is ") and said[-1].startswith("FAIL: ")


def test_vectors_in_another_folder(cli: Cli, tmp_path: Path) -> None:
    """A run that does not find them says so, and does not call the unit wrong."""
    assert cli("gen", "relu", "--vectors", 9, "--name", "u", "-o", tmp_path)[0] == 0
    icarus(tmp_path, "u", "u_tb")
    done = subprocess.run(
        ["vvp", tmp_path / "tb"], cwd="/", capture_output=True, text=True, check=False
    )
    said = [line for line in done.stdout.splitlines() if "readmemh" not in line]
    assert said == ["FAIL: u_in.hex and u_out.hex are not in the folder where this runs"]


@pytest.mark.parametrize(
    ("unit", "given"),
    [
        ("mac", {"interleave": 8}),
        ("dot", {"semantics": "dotN", "interleave": 3, "lanes": 2}),
        ("mac", {"semantics": "exact_chunk", "chunk": 4, "bias": "runtime"}),
        ("mac", {"semantics": "exact", "bias": "runtime"}),
    ],
)
def test_columns_of_any_length(unit: str, given: dict[str, Any]) -> None:
    """Also fewer than there are sums at a time; each sum that is begun is ended, with one bias."""
    package = generate(unit_parameters(unit, given), "u")
    for count in (1, 2, 3, 7, 9, 31, 150):
        inputs, outputs = golden_columns(package, count, 1)
        last = inputs["i_last"]
        assert len(last) == count and not any(inputs["i_first"])
        assert all(last[-given.get("interleave", 1) :]) and len(outputs["o_y"]) == sum(last)
        for k in range(1, count):
            if "i_bias_a" in inputs and not last[k - 1]:
                assert inputs["i_bias_a"][k] == inputs["i_bias_a"][k - 1]


@units
def test_wrappers_are_read_without_a_warning(
    tmp_path: Path, unit: str, given: dict[str, Any], reset: str
) -> None:
    parameters = unit_parameters(unit, given)
    package = axis.wrap(generate(parameters, "u"), parameters, reset)
    package.write(tmp_path)
    manifest = json.loads((tmp_path / "u.json").read_text())
    jsonschema.validate(manifest, schema())
    facts = manifest["axis"]
    assert facts["reset"] == {
        "name": {"sync": "rst", "sync_n": "rst_n", "async": "arst", "async_n": "arst_n"}[reset],
        "polarity": "low" if "_n" in reset else "high", "sync": reset.startswith("sync"),
    }  # fmt: skip
    tool = simulators.find("verilator")
    command = ["verilator", "--lint-only", "-Wall", "--top-module", "u_axis", "u_axis.v", "u.v"]
    done = subprocess.run(
        command, cwd=tmp_path, env=tool.env(), capture_output=True, text=True, check=False
    )
    said = [x for x in (done.stdout + done.stderr).splitlines() if not x.startswith("- ")]
    assert done.returncode == 0 and said == [], said
    text = package.software["u_axis.v"] + package.verilog
    assert yosys.warnings(text, "u_axis") == []


def frames_through(package: Package, reset: str, frames: list[bytes], folder: Path) -> Any:
    """What cocotbext-axi's sink gets for what its source sends."""
    tool = simulators.find("icarus")
    build, job = folder / "build", folder / "job"
    build.mkdir()
    job.mkdir()
    package.write(build)
    sources = [build / f"{name}.v" for name in (package.name, f"{package.name}_axis")]
    cocotb_build(tool, build, sources, f"{package.name}_axis")
    facts = package.manifest["axis"]
    size = {bus: sum(-(-f["width"] // 8) for f in facts[bus]) for bus in ("s_axis", "m_axis")}
    what = {"reset": facts["reset"]["name"], "low": facts["reset"]["polarity"] == "low",
            "item": size["s_axis"], "result": size["m_axis"],
            "frames": [frame.hex() for frame in frames]}  # fmt: skip
    (job / "frames.json").write_text(json.dumps(what))
    cocotb_test(tool, build, job, f"{package.name}_axis", "tests.axis_bench")
    return json.loads((job / "result.json").read_text())


def test_sums_by_axi_masters_of_others(tmp_path: Path) -> None:
    """A packet is a sum: bytes laid out by hand, results of another semantics of golden's."""
    parameters = unit_parameters("mac", {"a": "E4M3FN", "b": "E5M2", "semantics": "exact",
                                         "acc": "FP16"})  # fmt: skip
    package = axis.wrap(generate(parameters, "m"), parameters, "async_n")
    rng = np.random.default_rng(4)
    sums = [(rng.integers(0x20, 0x48, n), rng.integers(0x20, 0x48, n)) for n in (1, 5, 2, 9, 1, 3)]
    frames = [bytes(np.stack([a, b], axis=1).astype(np.uint8)) for a, b in sums]
    found = frames_through(package, "async_n", frames, tmp_path)
    due = []
    for a, b in sums:
        y, flags = dot(a, b, "E4M3FN", "E5M2", acc="FP16", semantics="exact", flags=True)
        due.append((int(y).to_bytes(2, "little") + bytes([int(flags)])).hex())
    assert found == {"found": due, "more": False, "idle": [0, 0]}


def test_packets_are_passed_on(tmp_path: Path) -> None:
    """Packets of any length come out as they went in, item for item."""
    parameters = unit_parameters("relu", {"fmt": "FP16"})
    package = axis.wrap(generate(parameters, "r"), parameters, "sync")
    rng = np.random.default_rng(5)
    packets = [rng.integers(0, 1 << 16, n).astype(np.uint16) for n in (3, 1, 40, 1, 2)]
    found = frames_through(package, "sync", [p.astype("<u2").tobytes() for p in packets], tmp_path)
    due = []
    for packet in packets:
        codes = np.asarray(relu(packet, "FP16"), np.uint16)
        due.append(b"".join(int(code).to_bytes(2, "little") + b"\0" for code in codes).hex())
    assert found == {"found": due, "more": False, "idle": None}


STUB = """
library ieee;
use ieee.std_logic_1164.all;
entity u_axis is
  port (clk, arst : in std_logic;
        s_axis_tvalid : in std_logic; s_axis_tready : out std_logic;
        s_axis_tdata : in std_logic_vector(7 downto 0); s_axis_tlast : in std_logic;
        m_axis_tvalid : out std_logic; m_axis_tready : in std_logic;
        m_axis_tdata : out std_logic_vector(15 downto 0); m_axis_tlast : out std_logic);
end entity;
architecture stub of u_axis is
begin
  s_axis_tready <= m_axis_tready;
  m_axis_tvalid <= s_axis_tvalid;
  m_axis_tdata <= x"00" & s_axis_tdata;
  m_axis_tlast <= s_axis_tlast;
end architecture;

library ieee;
use ieee.std_logic_1164.all;
use work.u_axis_pkg.all;
entity tb is end entity;
architecture test of tb is
  signal clk, arst, iv, ir, il, ov, o_last : std_logic := '1';
  signal d : std_logic_vector(7 downto 0) := x"5a";
  signal q : std_logic_vector(15 downto 0);
begin
  dut : u_axis port map (clk => clk, arst => arst, s_axis_tvalid => iv, s_axis_tready => ir,
    s_axis_tdata => d, s_axis_tlast => il, m_axis_tvalid => ov, m_axis_tready => '1',
    m_axis_tdata => q, m_axis_tlast => o_last);
  process begin
    wait for 1 ns;
    assert q = x"005a" report "not connected" severity failure;
    report "connected";
    wait;
  end process;
end architecture;
"""


def test_ghdl_elaborates_the_component(cli: Cli, tmp_path: Path) -> None:
    """Against a stub that has the module's ports, written by hand."""
    assert shutil.which("ghdl"), "install it, for example with 'apt-get install ghdl'"
    assert cli("gen", "relu", "--fmt", "E4M3FN", "--wrap", "axis", "--reset", "async",
               "--name", "u", "-o", tmp_path)[0] == 0  # fmt: skip
    (tmp_path / "stub.vhd").write_text(STUB)
    said = ""
    for step in (["-a", "u_axis_pkg.vhd", "stub.vhd"], ["-e", "tb"], ["-r", "tb"]):
        done = subprocess.run(
            ["ghdl", step[0], "--std=93c", *step[1:]],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
    assert "connected" in said and "not connected" not in said


def test_fusesoc_runs_the_vectors(cli: Cli, tmp_path: Path) -> None:
    assert cli("gen", "relu", "--wrap", "axis", "--vectors", 50, "--name", "u", "-o",
               tmp_path / "u")[0] == 0  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "fusesoc.main", "--cores-root", ".", "run", "--build-root", "build",
         "--target", "sim", "hfp8-hw:units:u"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "PASS: 50 results" in done.stdout, done.stdout + done.stderr


def test_the_script_for_vivado_says_that_it_was_not_run(cli: Cli, tmp_path: Path) -> None:
    assert cli("gen", "relu", "--wrap", "axis", "--name", "u", "-o", tmp_path)[0] == 0
    text = (tmp_path / "u_axis_ip.tcl").read_text()
    assert "NOT RUN" in text and "set_property top u_axis" in text and '"$here/u.v"' in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["relu", "--wrap", "wishbone"], "wrap='wishbone' is not allowed: one of axis"),
        (["relu", "--reset", "async"], "reset='async' is not allowed without wrap: the unit's is"),
        (["relu", "--wrap", "axis", "--reset", "low"], "reset='low' is not allowed: one of sync,"),
        (["core", "--wrap", "axis"], "wrap='axis' is not allowed for core: its ports have AXI"),
        (["core", "--vectors", "5"], "vectors=5 is not allowed for core: see 'hfp8 verify core'"),
        (["relu", "--vectors", "0"], "vectors=0 is not allowed: an integer from 1 to 100000"),
        (["relu", "--seed", "3"], "seed=3 is not allowed without vectors"),
        (["relu", "--wrap", "axis", "--name", "a__b"], "name='a__b_axis' is not allowed: for VHDL"),
    ],
)
def test_what_is_refused(cli: Cli, tmp_path: Path, given: list[str], said: str) -> None:
    assert said in cli.refused("gen", *given, "-o", tmp_path)
    assert list(tmp_path.iterdir()) == []
