"""The help of a command shows the parameters of the units that are named, and no others."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from hfp8_hw.cli.main import cli as commands
from hfp8_hw.cli.options import ParameterOption
from hfp8_hw.parameters import GENERATED, UNITS

from .conftest import Cli

EVERY = {f.name for cls in UNITS.values() for f in fields(cls)}
WITH_PARAMETERS = ("gen", "verify", "compare", "synth", "prove", "sweep", "mutate", "cover")
OF_THE_CORE = ("run",)
"""Commands with the core's parameters, which do not name it."""
SEVERAL = ("verify", "prove", "sweep", "cover")


def shown(text: str) -> dict[str, set[str]]:
    """The options that a help text shows, by the unit in whose section they stand."""
    found: dict[str, set[str]] = {"": set()}
    unit = ""
    for line in text.splitlines():
        if head := re.match(r"Parameters of (\w+) \(", line):
            unit = head[1]
            assert unit not in found
            found[unit] = set()
        elif option := re.match(r"  (?:-\w, )?--([\w-]+)", line):
            found[unit].add(option[1].replace("-", "_"))
    return found


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("command", (*WITH_PARAMETERS, "list"))
def test_the_units_parameters_and_no_others(cli: Cli, command: str, unit: str) -> None:
    words = ["list", unit] if command == "list" else [command, unit, "--help"]
    status, out, _ = cli(*words)
    own = {f.name for f in fields(UNITS[unit])}
    found = shown(out)
    assert status == 0 and found[unit] == own and set(found) == {"", unit}
    assert not found[""] & EVERY
    for other in set(UNITS) - {unit}:
        assert f"[{other}]" not in out and f"Parameters of {other}" not in out


@pytest.mark.parametrize("command", SEVERAL)
def test_those_of_several_units(cli: Cli, command: str) -> None:
    found = shown(cli(command, "--help", "mul", "--json", "mac", "relu", "mul")[1])
    assert list(found) == ["", "mul", "relu"]


@pytest.mark.parametrize("command", WITH_PARAMETERS)
def test_without_a_unit(cli: Cli, command: str) -> None:
    status, out, _ = cli(command, "--help")
    assert status == 0 and not shown(out)[""] & EVERY
    assert f"hfp8 {command} UNIT --help" in " ".join(out.split())
    said = cli.refused(command, "adder", "--help")
    assert "UNIT='adder' is not allowed: one of quantizer, dequantizer" in said


def test_a_name_in_an_options_value_is_no_unit(cli: Cli) -> None:
    assert list(shown(cli("gen", "--name", "mul", "-o", "mac", "--help")[1])) == [""]
    assert list(shown(cli("gen", "--chunk=3", "mac", "-h")[1])) == ["", "mac"]


def test_the_unit_of_a_file(cli: Cli, tmp_path: Path) -> None:
    """With a byte order mark, as some editors write it."""
    config = tmp_path / "unit.toml"
    config.write_bytes(b'\xef\xbb\xbfunit = "relu"\n[parameters]\nfmt = "FP16"\n')
    assert list(shown(cli("gen", "--config", config, "--help")[1])) == ["", "relu"]
    assert cli("gen", "--config", config, "-o", tmp_path)[0] == 0
    assert len(list(tmp_path.glob("hfp8_relu_FP16_s1_*.v"))) == 1


@pytest.mark.parametrize("unit", UNITS)
def test_a_parameter_of_another_unit(cli: Cli, unit: str) -> None:
    own = [f.name for f in fields(UNITS[unit])]
    for name in sorted(EVERY - set(own)):
        said = cli.refused("gen", unit, f"--{name}", "1")
        assert f"{name}='1' is not allowed: {unit} has no such parameter, only " in said
        assert said.endswith(", ".join(own))


@pytest.mark.parametrize("unit", UNITS)
def test_texts_are_sentences(unit: str) -> None:
    """What it is, what is allowed, what is the default."""
    for f in fields(UNITS[unit]):
        text = f.metadata["help"]
        assert re.fullmatch(r"[A-Z].*\. (?:Allowed: .+\. )Default: .+\.", text), (f.name, text)
        default = f.metadata["shown"] or str(f.metadata["default"])
        assert text.endswith(f"Default: {default}.") and default
        # A unit takes the default that its text names.
        if f.metadata["shown"] == "" and f.name not in UNITS[unit]().idle:  # type: ignore[call-arg]
            assert str(getattr(UNITS[unit](), f.name)) == default  # type: ignore[call-arg]


def test_every_command_with_parameters_is_here() -> None:
    having = {
        name for name, command in commands.commands.items()
        if any(isinstance(p, ParameterOption) for p in command.params)
    }  # fmt: skip
    assert having == {*WITH_PARAMETERS, *OF_THE_CORE}


@pytest.mark.parametrize("command", OF_THE_CORE)
def test_the_cores_parameters(cli: Cli, command: str) -> None:
    found = shown(cli(command, "--help")[1])
    assert found["core"] == {f.name for f in fields(GENERATED["core"])} and len(found) == 2
