"""Kinds of values on the command line: each is read, or refused in one line, before any work."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from ..errors import ParameterError, check_choice, integer, shown
from ..files import check_output, try_output
from ..parameters import UNITS
from ..protocol import hertz


def name_of(param: click.Parameter | None) -> str:
    """What the user calls an option or an argument: ``json`` for --json, ``UNIT`` for UNIT."""
    if param is None:
        return "value"
    if isinstance(param, click.Argument):
        return param.human_readable_name.strip("[].").rstrip("S")
    long = (name for name in param.opts if name.startswith("--"))
    return next(long, param.opts[0]).lstrip("-")


class Integer(click.ParamType):  # type: ignore[type-arg]
    """An integer from ``low`` to ``high``, if there is such a limit, in ASCII digits."""

    name = "integer"

    def __init__(self, low: int, high: int | None = None) -> None:
        self.low, self.high = low, high

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What help shows in the value's place: the range, if it has an end."""
        return "NUMBER" if self.high is None else f"{self.low}..{self.high}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The integer; raises ParameterError for anything else."""
        try:
            number = integer(value) if isinstance(value, str) else int(value)
        except ValueError:
            number = None
        if number is None or number < self.low or (self.high is not None and number > self.high):
            allowed = f"from {self.low} to {self.high}" if self.high else f"of at least {self.low}"
            raise ParameterError(
                f"{name_of(param)}={shown(value if number is None else number)} is not allowed: "
                f"an integer {allowed}"
            )
        return number


class Megahertz(click.ParamType):  # type: ignore[type-arg]
    """A clock in MHz, with at most six digits behind the point; its value is in Hz."""

    name = "MHz"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The Hz; raises ParameterError for anything else."""
        found = hertz(value) if isinstance(value, str) else int(value)
        if not found:
            raise ParameterError(
                f"{name_of(param)}={shown(value)} is not allowed: MHz, such as 50 or 33.75"
            )
        return found


class Scheduler(click.ParamType):  # type: ignore[type-arg]
    """The address of a Dask scheduler."""

    name = "address"
    _allowed = re.compile(
        r"(?:(?:tcp|tls)://)?(?:[\w.-]+|\[[0-9a-f:.]+\]):([0-9]{1,5})", re.A | re.I
    )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address; raises ParameterError for anything else."""
        text = str(value)
        found = self._allowed.fullmatch(text)
        if found is None or not 0 < int(found[1]) < 1 << 16:
            raise ParameterError(
                f"{name_of(param)}={shown(text)} is not allowed: tcp://HOST:PORT, such as "
                "tcp://localhost:8786"
            )
        return text


class _Path(click.ParamType):  # type: ignore[type-arg]
    """A path; an empty one is refused, and not taken for the working folder."""

    name = "path"
    what = "a file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; raises ParameterError if it cannot be what the option needs."""
        text, name = str(value), name_of(param)
        if not text or "\0" in text:
            raise ParameterError(f"{name}={text!r} is not allowed: the path of {self.what}")
        self.check(name, Path(text))
        if ctx is not None:
            self.check_apart(name, Path(text), ctx.meta.setdefault(__name__, {}))
        return Path(text)

    def check(self, name: str, path: Path) -> None:
        """Raise ParameterError if the path cannot be what the option needs."""

    def check_apart(self, name: str, path: Path, others: dict[str, tuple[str, bool]]) -> None:
        """Raise ParameterError if one of a command's paths is to be written and another one is the
        same file; ``others`` has those before, by the real path: the name, and whether it is
        written."""
        place, written = os.path.realpath(path), isinstance(self, Output)
        if isinstance(self, OutputFolder) or (os.path.exists(place) and not os.path.isfile(place)):
            return
        other, also = others.setdefault(place, (name, written))
        if other != name and (written or also):
            raise ParameterError(
                f"{name}={str(path)!r} is not allowed: another file than that of {other}"
            )


class Source(_Path):
    """A file or a folder to read; whoever reads it says what is wrong with it."""

    def check(self, name: str, path: Path) -> None:
        """Raise ParameterError for a device or a pipe, which may never end."""
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            raise ParameterError(
                f"{name}={str(path)!r} is not allowed: a regular file, and it is a device or a pipe"
            )


class Output(_Path):
    """A file to write, which is tried before the work that ends in it."""

    def check(self, name: str, path: Path) -> None:
        """Raise ParameterError if the file could not be written."""
        check_output(name, path)


class OutputFolder(_Path):
    """A folder to write files to, made if it is not there."""

    what = "a folder"

    def check(self, name: str, path: Path) -> None:
        """Raise ParameterError if it is something else, or could not be made or written to."""
        if path.exists() and not path.is_dir():
            raise ParameterError(f"{name}={str(path)!r} is not allowed: a folder, and it is a file")
        made = path.resolve()
        while not made.exists():
            made = made.parent
        try_output(name, made / "file", path)


class Unit(click.ParamType):  # type: ignore[type-arg]
    """The name of a unit."""

    name = "unit"

    def __init__(self, known: Iterable[str] = tuple(UNITS)) -> None:
        self.known = tuple(known)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; raises ParameterError if no unit has it."""
        return check_choice(name_of(param), value, self.known)
