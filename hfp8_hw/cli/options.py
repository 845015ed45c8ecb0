"""Options that several commands share: the units' parameters, and the simulators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..errors import ParameterError
from ..parameters import UNITS, UnitParameters, unit_parameters

PARAMETERS: dict[str, list[str]] = {}
for _unit, _cls in UNITS.items():
    for _field in fields(_cls):
        PARAMETERS.setdefault(_field.name, []).append(_unit)


def _help(name: str) -> str:
    units = PARAMETERS[name]
    texts = {
        next(f for f in fields(UNITS[unit]) if f.name == name).metadata["help"]: unit
        for unit in units
    }
    if len(texts) == 1:
        return f"[{', '.join(units)}] {next(iter(texts))}"
    return "; ".join(f"[{unit}] {text}" for text, unit in texts.items())


def parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add one option for every parameter that any unit has."""
    for name in reversed(PARAMETERS):
        command = click.option(f"--{name}", metavar="VALUE", help=_help(name))(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The parameters that were given on the command line."""
    return {name: options[name] for name in PARAMETERS if options.get(name) is not None}


def configured(
    unit: str | None, options: dict[str, Any], config: Path | None
) -> tuple[UnitParameters, str | None]:
    """The unit that the command line and the TOML file describe, and its name if the file has one.

    The command line wins over the file.
    """
    from rtl_gen.config import load

    data: dict[str, Any] = {"unit": None, "name": None, "parameters": {}}
    if config is not None:
        data = load(config)
        if unit is not None and data["unit"] is not None and data["unit"] != unit:
            raise ParameterError(
                f"unit={unit!r} is not allowed: {str(config)!r} is for {data['unit']!r}"
            )
    chosen = unit or data["unit"]
    if chosen is None:
        raise ParameterError(f"unit=None is not allowed: one of {', '.join(UNITS)}")
    return unit_parameters(chosen, {**data["parameters"], **given(options)}), data["name"]


def check_folder(option: str, path: Path | None) -> None:
    """Raise ParameterError if a file is to be written where there is no folder."""
    if path is not None and not path.resolve().parent.is_dir():
        raise ParameterError(f"{option}={str(path)!r} is not allowed: there is no such folder")


def progress_bar(console: Console) -> Progress:
    """The progress of many runs: what ended last, a bar, how many, the time."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    return Progress(*columns, console=console)


def simulators(text: str) -> list[str]:
    """The simulators in a comma-separated list, each once."""
    from verif.simulation.simulators import SIMULATORS

    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in SIMULATORS:
            raise ParameterError(
                f"sim={text!r} is not allowed: one or more of {', '.join(SIMULATORS)}, "
                "separated by commas"
            )
    return names


sim_option = click.option(
    "--sim", default="icarus,verilator", show_default=True, help="Simulators, comma-separated."
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True,
    help="Of everything random.",
)  # fmt: skip
