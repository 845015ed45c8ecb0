"""Open HFP8 hardware: formats, golden model and Amaranth units for hybrid 8-bit floating point."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .errors import ParameterError
    from .formats import CATALOGUE, FloatFormat, parse_format

__all__ = ["CATALOGUE", "FloatFormat", "ParameterError", "__version__", "parse_format"]

_MODULES = {
    "CATALOGUE": "formats",
    "FloatFormat": "formats",
    "ParameterError": "errors",
    "parse_format": "formats",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that the command starts, and stops, without delay."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
