"""What goes wrong outside of a comparison."""

from __future__ import annotations


class SimulationError(RuntimeError):
    """A simulator failed to build or run; the text ends with the last lines of its log."""


class ToolMissing(RuntimeError):
    """A program is not there or too old; the text says what to install."""
