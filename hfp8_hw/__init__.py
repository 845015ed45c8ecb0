"""Open HFP8 hardware: formats, golden model and Amaranth units for hybrid 8-bit floating point."""

from .errors import ParameterError
from .formats import CATALOGUE, FloatFormat, parse_format
from .version import __version__

__all__ = ["CATALOGUE", "FloatFormat", "ParameterError", "__version__", "parse_format"]
