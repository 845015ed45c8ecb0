"""The line to a simulated board, in simulated time: what tests and faults are made of."""

from __future__ import annotations

from .model import Model


class Line:
    """A `hfp8_hw.host.transport.Transport` straight to the pins of a board.

    Time is the board's: it passes only while something is waited for, so that no result depends on
    how fast this computer is.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self.model.give(data)

    def read(self, seconds: float) -> bytes:
        """What comes first within so many simulated seconds."""
        return self.model.run(max(1, round(seconds * self.model.clock)))

    def set_baud(self, baud: int) -> None:
        """Change the rate of the pins."""
        self.model.rate(baud)

    def now(self) -> float:
        """Simulated seconds."""
        return self.model.clocks / self.model.clock

    def close(self) -> None:
        """Nothing is to be let go of."""
