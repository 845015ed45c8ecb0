"""Names of modules: what is refused, and that default names are unique, valid and stable."""

import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from fpga import yosys
from fpga.rows import ROWS
from hfp8_hw import ParameterError
from hfp8_hw.parameters import UNITS, MacParameters, unit_parameters
from hfp8_hw.parameters.base import MAX_NAME, parameter
from rtl_gen.names import SYSTEMVERILOG, TOOLS, VERILOG, check_name, check_unused
from rtl_gen.package import generate
from verif.regression import dask_runs
from verif.regression.dask_runs import load
from verif.simulation import simulators
from verif.simulation.configurations import MATRIX
from verif.sweep.configurations import SWEEPS

from .conftest import Cli

REGRESS = Path(dask_runs.__file__).parent.rglob("regress.toml")
CONFIGURATIONS = [
    *((unit, given) for unit in UNITS for given in MATRIX[unit]),
    *((unit, given) for unit, sweeps in SWEEPS.items() for given, _ in sweeps),
    *((row.unit, row.parameters) for row in ROWS.values()),
    *((task.unit, dict(task.parameters)) for task in load(next(REGRESS))),
]
TAKEN = """
NULL abort alignas and_eq asm auto bitand bool_t catch char compl complex delete double dynamic_cast
explicit float friend goto inline list long map mutable namespace noexcept nullptr operator private
public queue register set short signed_ sizeof stack switch template throw true try typename using
vector volatile main linux errno stdin top Top V Vtop work root name eval trace randomize process
mailbox option analog branch discipline electrical from inf max min abs sin LUT4 DFF a__b _ __ n9x
""".split()  # noqa: SIM905
"""Names that look as if a tool might refuse them, and that all of them take."""
MODULE = "module {} (\n  input wire clk,\n  output reg o_y\n);\n  always @(posedge clk) o_y <= !o_y;\nendmodule\n"  # noqa: E501


def test_the_lists_are_whole() -> None:
    """IEEE 1364-2005 has 124 keywords, IEEE 1800-2017 has 248."""
    assert len(VERILOG) == 124 and len(VERILOG | SYSTEMVERILOG) == 248
    assert not VERILOG & SYSTEMVERILOG and not set(TOOLS) & (VERILOG | SYSTEMVERILOG)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (sorted(VERILOG), "it is a keyword of Verilog"),
        (sorted(SYSTEMVERILOG), "it is a keyword of SystemVerilog"),
        (sorted(TOOLS), "keeps it to itself"),
        (["", "9a", "a b", "a-b", "a$b", "\\a ", "é", "a\n", "x" * 101], "a Verilog identifier"),
        ([None, 3, b"a"], "a Verilog identifier"),
    ],
)
def test_refused_names(names: list[object], said: str) -> None:
    for name in names:
        with pytest.raises(ParameterError) as error:
            check_name(name)
        assert str(error.value).startswith(f"name={name!r} is not allowed: ")
        assert said in str(error.value)


def test_a_name_of_the_units_own_is_refused() -> None:
    package = generate(unit_parameters("mul", {}))
    for port in package.manifest["ports"]:
        with pytest.raises(ParameterError, match="a port or a signal of the unit is called so"):
            generate(unit_parameters("mul", {}), port["name"])
    text = "module t (\n  input wire a // b\n);\n  wire c = 4'h0;\n/* d\n*/ endmodule\n"
    for name in ("a", "c"):
        with pytest.raises(ParameterError):
            check_unused(name, text.replace("t (", f"{name} ("))
    for name in ("b", "d", "h0"):
        check_unused(name, text.replace("t (", f"{name} ("))


def test_an_empty_name_is_not_the_default(cli: Cli, tmp_path: Path) -> None:
    assert "name='' is not allowed" in cli.refused("gen", "mul", "--name", "", "-o", tmp_path)
    config = tmp_path / "unit.toml"
    for name in ('""', "3", "[]"):
        config.write_text(f'unit = "mul"\nname = {name}\n')
        assert "a Verilog identifier" in cli.refused("gen", "--config", config, "-o", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["unit.toml"]


@pytest.mark.slow
def test_the_tools_refuse_what_is_refused_and_take_the_rest(tmp_path: Path) -> None:
    """Every name refused for a keyword or a tool fails with some tool; those beside do not."""
    icarus, verilator = simulators.find("icarus"), simulators.find("verilator")

    def said(name: str) -> str:
        path = tmp_path / f"{name}.v"
        path.write_text(MODULE.format(name))
        found = ""
        for tool, command in (
            (icarus, ["iverilog", "-g2005", "-Wall", "-s", name, "-t", "null"]),
            (icarus, ["iverilog", "-g2012", "-Wall", "-s", name, "-t", "null"]),
            (verilator, ["verilator", "--lint-only", "-Wall"]),
        ):
            done = subprocess.run(
                [*command, str(path)], capture_output=True, text=True, env=tool.env(), check=False
            )
            lines = (done.stdout + done.stderr).splitlines()
            found += "".join(line for line in lines if not line.startswith("- "))
        return found

    kept = {"global"}  # A keyword of SystemVerilog that Verilator takes; Icarus does not.
    for name in (VERILOG | SYSTEMVERILOG | set(TOOLS)) - kept:
        assert said(name), f"every tool takes {name}"
    for name in TAKEN:
        assert check_name(name) == name and said(name) == ""
        assert yosys.warnings(MODULE.format(name), name) == []


def test_default_names_are_unique_and_valid() -> None:
    names: dict[str, object] = {}
    for unit, given in CONFIGURATIONS:
        parameters = unit_parameters(unit, given)
        name = check_name(parameters.top)
        assert name.startswith(f"hfp8_{unit}_") and len(name) <= MAX_NAME
        assert names.setdefault(name, parameters) == parameters, name
    assert len(names) > 500


def test_long_names_leave_the_middle_out() -> None:
    given = {"a": "E4M2B9:flush:fnuz", "b": "E5M2B-9:normal:p3109", "acc": "E7M12B40:gradual:fn",
             "semantics": "fma", "rounding": "RDN", "bias": "runtime"}  # fmt: skip
    name = unit_parameters("mac", given).top
    assert len(name) <= MAX_NAME and name != unit_parameters("mac", {**given, "stages": 1}).top
    assert name[:9] == "hfp8_mac_" and check_name(name)


def test_names_do_not_change_with_a_default() -> None:
    """A class with other defaults, and one with a parameter more that is switched off."""

    @dataclass(frozen=True)
    class Changed(MacParameters):
        chunk: int = parameter(32, "")
        a: str = parameter("E5M2", "")
        fresh: str = parameter("none", "", off="none")

    now = MacParameters()
    assert Changed(**now.to_dict()).top == now.top  # type: ignore[arg-type]
    assert Changed().top != now.top
    assert Changed(**now.to_dict(), fresh="more").top != now.top  # type: ignore[arg-type]


def test_a_name_is_the_same_however_the_unit_is_described() -> None:
    for unit, given in CONFIGURATIONS:
        parameters = unit_parameters(unit, given)
        assert unit_parameters(unit, parameters.to_dict()) == parameters
        text = {k: str(v) for k, v in parameters.to_dict().items()}
        assert unit_parameters(unit, text).top == parameters.top


def test_what_a_name_spells_out() -> None:
    """By hand, the digits of the hash aside."""
    for unit, given, start in (
        ("mac", {}, "hfp8_mac_HFP8_HFP8_DLFLOAT16_chunked_64_s3_"),
        ("mac", {"semantics": "fma"}, "hfp8_mac_HFP8_HFP8_DLFLOAT16_fma_s3_"),
        ("dot", {"semantics": "exact"}, "hfp8_dot_HFP8_HFP8_DLFLOAT16_exact_8_1024_s4_"),
        ("dot", {"semantics": "fmma", "lanes": 2}, "hfp8_dot_HFP8_HFP8_DLFLOAT16_fmma_2_s10_"),
        ("quantizer", {"rounding": "SR(8)"}, "hfp8_quantizer_FP32_HFP8_FWD_SR_8_saturate_s2_"),
        ("loss_scale", {"floor": -2}, "hfp8_loss_scale_16_2000_m2_24_"),
    ):
        name = unit_parameters(unit, given).top
        assert name[:-8] == start and int(name[-8:], 16) >= 0
    for cls in UNITS.values():
        assert set(cls.in_name) <= {f.name for f in fields(cls)}
