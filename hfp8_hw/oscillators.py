"""The boards that there are, real or simulated, and the clocks that each can have."""

from __future__ import annotations

from .errors import ParameterError
from .pll import Oscillator, check_clock
from .protocol import hertz, megahertz

OSCILLATORS: dict[str, Oscillator] = {
    "ulx3s-85f": Oscillator(25_000_000, "ecp5"),
    "icebreaker": Oscillator(12_000_000, "ice40"),
    "orangecrab-25f": Oscillator(48_000_000, "ecp5"),
    "ice40-hx8k": Oscillator(12_000_000, "ice40"),
    "tang-nano-9k": Oscillator(27_000_000, "gowin"),
    "arty-a7-35t": Oscillator(100_000_000),
}
"""By the board's name."""
LOWEST, HIGHEST = 1_000_000, 999_000_000
"""Hz, of clocks that a PLL makes."""


def check_board(board: str, given: str = "") -> tuple[str, int]:
    """(name, clock in Hz) of a simulated board: ``NAME``, or ``NAME@MHZ`` for one whose PLL makes
    another clock.

    ``given`` is the option that it comes from, and its value.

    Raises
    ------
    ParameterError
        If there is none, or its PLL cannot make the clock.
    """
    name, at, text = board.partition("@")
    given = given or f"board={board!r}"
    if name not in OSCILLATORS:
        raise ParameterError(f"{given} is not allowed: one of {', '.join(OSCILLATORS)}")
    source = OSCILLATORS[name]
    if not at:
        return name, source.clock
    clock = hertz(text)
    if clock is None or not LOWEST <= clock <= HIGHEST:
        raise ParameterError(
            f"{given} is not allowed: behind the @ a clock in MHz, from {megahertz(LOWEST)} to "
            f"{megahertz(HIGHEST)}, such as {name}@50"
        )
    check_clock(source, clock, given)
    return name, clock
