"""What goes wrong outside of a comparison; the command line prints it and exits with status 1."""

from __future__ import annotations

from hfp8_hw.errors import RunError, ToolMissing

__all__ = ["RunError", "SimulationError", "ToolMissing"]


class SimulationError(RunError):
    """A simulator failed to build or run; the text ends with the last lines of its log."""
