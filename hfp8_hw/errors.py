"""The one exception that bad input raises, and the checks that raise it in one wording."""

from __future__ import annotations

import re
from collections.abc import Iterable


class ParameterError(ValueError):
    """A parameter has a value that is not allowed.

    The text is one line: which parameter, the value given, what is allowed. The command line
    prints it as it is and exits with status 2.
    """

    def __init__(self, text: object = "") -> None:
        super().__init__(" ".join(str(text).split("\n")))


def shown(value: object) -> str:
    """``repr(value)`` in one line of at most 200 characters, whatever the value is."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # an int of thousands of digits, a nest of lists
        return f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


_LONGEST = 200


class RunError(RuntimeError):
    """Something could not be run. The command line prints the text and exits with status 1."""


class ToolMissing(RunError):
    """A program or a package is not there or too old; the text says what to install."""


_INTEGER = re.compile(r"[+-]?[0-9]+")


def integer(text: str) -> int:
    """The integer that a sign and ASCII digits write, without blanks, underscores and the like.

    Raises
    ------
    ValueError
        For any other text.
    """
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"not an integer: {shown(text)}")
    return int(text)


def check_int(name: str, value: object, low: int, high: int) -> int:
    """Return ``value`` if it is an integer with ``low <= value <= high``.

    Raises
    ------
    ParameterError
        Otherwise; a bool is not taken for an integer.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ParameterError(
            f"{name}={shown(value)} is not allowed: an integer from {low} to {high}"
        )
    return value


def check_choice(name: str, value: object, allowed: Iterable[str]) -> str:
    """Return ``value`` if it is one of the strings in ``allowed``.

    Raises
    ------
    ParameterError
        Otherwise.
    """
    allowed = tuple(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise ParameterError(f"{name}={shown(value)} is not allowed: one of {', '.join(allowed)}")
    return value
