"""A board in simulation, as a serial port: a process of its own with a pseudo-terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

from ..errors import ParameterError, RunError
from ..protocol import BASE_BAUD
from .transport import SerialPort

_SERVER = "verif.board.serve"
_PATIENCE = 400.0


def patience() -> float:
    """For `hfp8_hw.host.link.Link`: a simulated board loses nothing, and may be slow."""
    return _PATIENCE


class SimulatedBoard(SerialPort):
    """Starts the simulator and opens its port; `close` ends it.

    Parameters
    ----------
    board : str
    parameters : UnitParameters, optional
        What is on the board; the simulator's own choice if None.

    Raises
    ------
    ParameterError
        If there is no such board, or the design cannot be on one.
    RunError
        If the simulator does not start; with its last line.
    """

    def __init__(self, board: str, parameters: Any = None) -> None:
        self._board = board
        design = None if parameters is None else [parameters.unit, parameters.to_dict()]
        # It ends when its standard input does, whatever becomes of this process.
        self._process = subprocess.Popen(
            [sys.executable, "-m", _SERVER, board, json.dumps(design)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,  # Ctrl-C is for this process, which ends that one
        )  # fmt: skip
        assert self._process.stdout is not None
        try:
            said = self._process.stdout.readline().split(maxsplit=1)
            if said and said[0] == "refused":
                raise ParameterError(said[1].strip())
            if not said or said[0] != "port":
                why = said[1].strip() if len(said) > 1 else "it said nothing"
                raise RunError(f"the simulated board did not start: {why}")
            super().__init__(said[1].strip(), BASE_BAUD)
        except BaseException:
            # All of its group, or a compiler that it started would go on.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self._end()
            raise

    def close(self) -> None:
        """Close the port and end the simulator."""
        super().close()
        self._end()

    def _gone(self, error: Exception) -> RunError:
        return RunError(f"the simulated board sim://{self._board} is gone: its process has ended")

    def _end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
