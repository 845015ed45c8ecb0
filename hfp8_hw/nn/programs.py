"""What the programs of this package share: options and errors of one line, as those of ``hfp8``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from ..errors import ParameterError, RunError, check_choice, check_int, integer


class Options(argparse.ArgumentParser):
    """Raises ParameterError for what is wrong, in one line, in place of printing the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise it; what a type of this module said is the whole text."""
        raise ParameterError(re.sub(r"^argument [^:]*: (?=[a-z]+=)", "", message))


def number(name: str, low: int, high: int) -> Callable[[str], int]:
    """The type of an option that is an integer from ``low`` to ``high``."""

    def read(text: str) -> int:
        try:
            value: Any = integer(text)
        except ValueError:
            value = text
        return _told(lambda: check_int(name, value, low, high))

    return read


def choice(name: str, allowed: Iterable[str]) -> Callable[[str], str]:
    """The type of an option that is one of some words."""
    words = tuple(allowed)
    return lambda text: _told(lambda: check_choice(name, text, words))


def seconds(name: str) -> Callable[[str], float]:
    """The type of an option that is a time, at most a year."""

    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,8}(\.[0-9]*)?", text) or float(text) > _YEAR:
            raise argparse.ArgumentTypeError(
                f"{name}={text!r} is not allowed: seconds, from 0 to {_YEAR}"
            )
        return float(text)

    return read


_YEAR = 31_536_000


def _told(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except ParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def guarded(program: Callable[[], int]) -> int:
    """What a program returns; 2 for bad input, 1 if something could not be run, 130 for Ctrl-C,
    with one line on standard error."""
    try:
        return program()
    except ParameterError as error:
        text, status = str(error), 2
    except RunError as error:
        text, status = f"error: {error}", 1
    except OSError as error:
        text, status = f"{error.filename}: {error.strerror}", 2
    except KeyboardInterrupt:
        text, status = "interrupted", 130
    print(text, file=sys.stderr)
    return status
