"""Options that several commands share: the units' parameters, and the simulators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..errors import ParameterError, check_choice, shown
from ..parameters import GENERATED, UNITS, CoreParameters, UnitParameters, unit_parameters
from .types import Integer, Scheduler, name_of

PARAMETERS = tuple(dict.fromkeys(f.name for cls in GENERATED.values() for f in fields(cls)))
"""The names of all parameters, of the units and the core."""

_NAMED = "hfp8.units"


class ParameterOption(click.Option):
    """The option of a parameter that some unit has."""


class UnitCommand(click.Command):
    """A command that takes units and their parameters; its help shows those of the units named.

    Every unit's parameters are parsed, so that one that the unit lacks is refused by the unit
    itself, which says what it has instead.

    Members
    -------
    known : tuple of str
        What the command is for, by name.
    """

    known: tuple[str, ...] = tuple(UNITS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, knowing which units are named."""
        words = list(args)
        ctx.meta[_NAMED] = self._named(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            near = self._near(error.option_name, [word for word in words if word in GENERATED])
            raise click.NoSuchOption(error.option_name, possibilities=near, ctx=ctx) from None

    def _near(self, word: str, units: list[str]) -> list[str]:
        """Options spelled much like a word: the command's own, and parameters of these units, or
        of all units if there is none."""
        names = {f.name for unit in units or self.known for f in fields(GENERATED[unit])}
        allowed = {
            option.opts[0].lstrip("-") if isinstance(option, ParameterOption) else name_of(option)
            for option in self.params
            if isinstance(option, click.Option)
            and (not isinstance(option, ParameterOption) or option.name in names)
        }
        near = get_close_matches(word.lstrip("-").replace("_", "-"), sorted(allowed))
        return [f"--{name}" for name in near]

    def _named(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The units that a command line names, before anything is checked."""
        before, ctx.resilient_parsing = ctx.resilient_parsing, True
        try:
            values, _, order = self.make_parser(ctx).parse_args(list(args))
        except click.UsageError:
            return []
        finally:
            ctx.resilient_parsing = before
        _check_once(values, order)
        found: list[str] = []
        for argument in self.params:
            if isinstance(argument, click.Argument) and argument.name in ("unit", "units"):
                value = values.get(argument.name)
                words = value if isinstance(value, tuple | list) else [value]
                found += [word for word in words if isinstance(word, str)]
        config = values.get("config")
        if not found and isinstance(config, str) and set(args) & set(ctx.help_option_names):
            from rtl_gen.config import load

            unit = load(Path(config))["unit"]
            found = [unit] if isinstance(unit, str) else []
        return list(dict.fromkeys(found))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's options, then the parameters of each unit named."""
        own = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        records = [
            record for option in own
            if not isinstance(option, ParameterOption)
            and (record := option.get_help_record(ctx)) is not None
        ]  # fmt: skip
        with formatter.section("Options"):
            formatter.write_dl(records)
        units = ctx.meta.get(_NAMED, [])
        for unit in units:
            write_parameters(check_choice("UNIT", unit, self.known), formatter)
        if not units:
            every = ", ".join(self.known)
            with formatter.section("Parameters"):
                formatter.write_text(
                    f"Each unit has parameters of its own, given as --PARAMETER VALUE. "
                    f"'{ctx.command_path} UNIT --help' lists them. The units are {every}."
                )


def _check_once(values: Mapping[str, Any], order: Sequence[click.Parameter]) -> None:
    """Refuse a parameter that is given twice: it is not clear which is meant."""
    given = [one.name for one in order if isinstance(one, ParameterOption)]
    for name in given:
        if name is not None and given.count(name) > 1:
            raise ParameterError(
                f"{name}={shown(values[name])} is not allowed: {name} is given already"
            )


class GeneratorCommand(UnitCommand):
    """A command for all that Verilog is generated for, the core too."""

    known = tuple(GENERATED)


class CoreCommand(GeneratorCommand):
    """A command for the core alone; its help shows the core's parameters."""

    known = (CoreParameters.unit,)

    def _named(self, ctx: click.Context, args: list[str]) -> list[str]:
        super()._named(ctx, args)
        return list(self.known)


def spelled(name: str) -> str:
    """A parameter as an option. With its underscores it is taken too, as files spell it."""
    return f"--{name.replace('_', '-')}"


def write_parameters(unit: str, formatter: click.HelpFormatter) -> None:
    """Describe the parameters of a unit."""
    cls = GENERATED[unit]
    records = [
        (f"{spelled(f.name)} {'NUMBER' if f.type == 'int' else 'TEXT'}", f.metadata["help"])
        for f in fields(cls)
    ]
    with formatter.section(f"Parameters of {unit} ({cls.summary})"):
        formatter.write_dl(records)


def parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add one option for every parameter that any unit has."""
    for name in reversed(PARAMETERS):
        spellings = dict.fromkeys((spelled(name), f"--{name}"))
        command = click.option(*spellings, name, cls=ParameterOption, metavar="VALUE")(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The parameters that were given on the command line."""
    return {name: options[name] for name in PARAMETERS if options.get(name) is not None}


def given_to_one(
    units: tuple[str, ...], options: dict[str, Any], known: Iterable[str] = tuple(UNITS)
) -> dict[str, Any]:
    """The parameters that were given; only a command line that names one unit may have any."""
    found = given(options)
    if found and len(units) != 1:
        words = f"with parameters ({spelled(next(iter(found)))}), name exactly one unit"
        if not units:
            raise ParameterError(f"UNIT is missing: {words}, of {', '.join(known)}")
        raise ParameterError(f"UNIT={' '.join(units)!r} is not allowed: {words}")
    return found


def configured(
    unit: str | None,
    options: dict[str, Any],
    config: Path | None,
    known: Iterable[str] = tuple(UNITS),
) -> tuple[UnitParameters, str | None]:
    """The unit that the command line and the TOML file describe, and its name if the file has one.

    The command line wins over the file. ``known`` is what the command is for.
    """
    from rtl_gen.config import load

    data: dict[str, Any] = {"unit": None, "name": None, "parameters": {}}
    if config is not None:
        data = load(config)
        if unit is not None and data["unit"] is not None and data["unit"] != unit:
            raise ParameterError(
                f"UNIT={unit!r} is not allowed: {str(config)!r} is for {data['unit']!r}"
            )
    chosen = data["unit"] if unit is None else unit
    if chosen is None:
        raise ParameterError(f"UNIT is missing: name one of {', '.join(known)}")
    check_choice("unit", chosen, known)
    return unit_parameters(chosen, {**data["parameters"], **given(options)}), data["name"]


def progress_bar(console: Console) -> Progress:
    """The progress of many runs: what ended last, a bar, how many, the time."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    return Progress(*columns, console=console)


def chosen_on_command_line(name: str) -> bool:
    """Whether an option of the command that runs was given, even with its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def simulators(text: str, more: tuple[str, ...] = ()) -> list[str]:
    """The simulators in a comma-separated list, each once; without cocotb none can be used.

    ``more`` are other names that it may have.
    """
    from rtl_gen.extras import require
    from verif.simulation.simulators import SIMULATORS

    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in (*SIMULATORS, *more):
            raise ParameterError(
                f"sim={text!r} is not allowed: one or more of {', '.join((*SIMULATORS, *more))}, "
                "separated by commas"
            )
    require("cocotb", "platformdirs")
    return names


sim_option = click.option(
    "--sim", default="icarus,verilator", show_default=True, help="Simulators, comma-separated."
)
seed_option = click.option(
    "--seed", type=Integer(0, 2**32 - 1), default=1, show_default=True,
    help="Seed for everything random.",
)  # fmt: skip
scheduler_option = click.option(
    "--scheduler", type=Scheduler(), metavar="tcp://HOST:PORT",
    help="A running Dask scheduler.  [default: a cluster on this machine]",
)  # fmt: skip
