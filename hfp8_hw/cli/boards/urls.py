"""The URLs of boards, as options have them."""

from __future__ import annotations

from ...host.transport import SerialPort, split_url
from ...oscillators import check_board
from ...protocol import BASE_BAUD


def check_url(url: str, name: str) -> None:
    """Refuse what is no board's URL, or names a simulated board that there is not or a clock that
    its PLL cannot make, before any work.

    ``name`` is the option.

    Raises
    ------
    ParameterError
    """
    kind, rest = split_url(url, name)
    if kind == "sim":
        check_board(rest, f"{name}={url!r}")


def opening(url: str) -> str:
    """What a progress line says while a board is opened."""
    if split_url(url)[0] == "sim":
        return f"opening {url} (compiled once: a minute)"
    return f"opening {url}"


def check_port(url: str) -> None:
    """Refuse a serial port that cannot be opened, before any work; it is let go of again.

    Raises
    ------
    RunError
        As `hfp8_hw.host.transport.SerialPort`.
    ToolMissing
        If a package for boards is not installed.
    """
    from rtl_gen.extras import require

    require("serial", "cobs")
    kind, rest = split_url(url)
    if kind == "serial":
        SerialPort(rest, BASE_BAUD).close()
