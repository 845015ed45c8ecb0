"""A unit's parameters from a TOML file.

unit = "mac"            # optional where the command names the unit
name = "my_mac"         # optional
[parameters]
a = "HFP8"
chunk = 32
[formats]               # optional: names for literals, usable as parameter values
MINE = "E3M4B5:gradual:fn"
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import CATALOGUE, HFP8, parse_format
from hfp8_hw.parameters import UNITS
from hfp8_hw.rounding import parse_rounding

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEYS = ("unit", "name", "parameters", "formats")


def _taken() -> set[str]:
    """The words that say which values parameters take, values like ``RNE`` among them."""
    told = " ".join(f.metadata["values"] for cls in UNITS.values() for f in fields(cls))
    return set(re.findall(r"\w+", told))


def _is_literal(name: str) -> bool:
    """Whether a name is a literal of a format, or of a rounding."""
    for parse in (parse_format, parse_rounding):
        with suppress(ParameterError):
            parse(name)
            return True
    return False


def read_toml(name: str, path: Path) -> dict[str, Any]:
    """A TOML file that an argument names; a byte-order mark at its start is passed over.

    Raises
    ------
    ParameterError
        If it cannot be read, or is no TOML.
    """
    what = f"{name}={str(path)!r}"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ParameterError(f"{what} cannot be read: {reason}") from None
    except (ValueError, RecursionError) as error:  # Also numbers and nesting beyond all measure.
        raise ParameterError(f"{what} is not TOML: {error}") from None


def load(path: Path) -> dict[str, Any]:
    """The file's ``unit``, ``name`` and ``parameters``, own format names replaced.

    Raises
    ------
    ParameterError
        If the file cannot be read, is no TOML, or has keys that are not allowed.
    """
    data = read_toml("config", path)
    for key in data:
        if key not in _KEYS:
            raise ParameterError(
                f"config={str(path)!r}: {key!r} is not allowed: one of {', '.join(_KEYS)}"
            )
    parameters = data.get("parameters", {})
    own = data.get("formats", {})
    for table, what in ((parameters, "parameters"), (own, "formats")):
        if not isinstance(table, dict):
            raise ParameterError(f"config={str(path)!r}: {what}={table!r} is not allowed: a table")
    for name, literal in own.items():
        if name in CATALOGUE or name == HFP8:
            raise ParameterError(f"config={str(path)!r}: formats: {name!r} is already a format")
        if not _NAME.fullmatch(name) or name in _taken() or _is_literal(name):
            raise ParameterError(
                f"config={str(path)!r}: formats: {name!r} is not allowed: a letter, then letters, "
                "digits and underscores, and no word that says what parameters take, such as "
                "'fixed'"
            )
        parse_format(literal, name)
    values = {k: own.get(v, v) if isinstance(v, str) else v for k, v in parameters.items()}
    return {"unit": data.get("unit"), "name": data.get("name"), "parameters": values}
