"""The frames between a host and a board: the numbers that both sides share.

docs/reference/link.md has the protocol in full.
"""

from __future__ import annotations

from enum import IntEnum

VERSION = 1
"""Byte 0 of every frame."""
HEADER = 5
"""Bytes before the payload: version, sequence, opcode, length (two bytes, low one first)."""
CRC = 4
"""Bytes of the CRC-32 behind the payload, low one first."""
BUFFER = 512
"""Bytes of the board's frame buffers."""
MAX_PAYLOAD = 496
RESPONSE = 0x80
"""Set in the opcode of an answer."""

BASE_BAUD = 115_200
"""The rate after a reset."""
BAUDS = (3_000_000, 2_000_000, 1_500_000, 1_000_000, 921_600, 460_800, 230_400)
"""Rates that a host may ask for, fastest first."""
LEAST_DIVISOR = 8
"""Clocks that a bit takes at the least."""
TIMEOUT_SECONDS = 0.25
"""After so long without a step the board gives a request up."""
TRIAL = 4
"""So many times as long a new rate is tried before the board goes back to `BASE_BAUD`."""


class Opcode(IntEnum):
    """What a host asks for. An answer has the same number with `RESPONSE` set."""

    HELLO = 1
    RESET = 2
    READ = 3
    WRITE = 4
    LOAD = 5
    STORE = 6
    BAUD = 7
    ERROR = 127
    """Only as an answer: a `Refusal` and the opcode that was refused."""


class Refusal(IntEnum):
    """Why a board did not do what it was asked for."""

    VERSION = 1
    NO_SESSION = 2
    OPCODE = 3
    LENGTH = 4
    ARGUMENT = 5
    TIMEOUT = 6


REFUSALS = {
    Refusal.VERSION: "it speaks another version of the protocol",
    Refusal.NO_SESSION: "it was reset since HELLO",
    Refusal.OPCODE: "it does not know the opcode",
    Refusal.LENGTH: "the payload's length does not fit",
    Refusal.ARGUMENT: "there is no such stream or register",
    Refusal.TIMEOUT: "it waited in vain",
}

HELLO_BYTES = 32
"""Payload of HELLO's answer.

nonce (4), manifest (8), build (8), clock in Hz (4), frames (1), streams (1), results (2), bytes of
an item (2), bytes of a result (2).
"""
NONCE = 4

LINK_REGISTERS = {
    "FRAMES": 0x8000,
    "DAMAGED": 0x8004,
    "REPEATED": 0x8008,
    "ITEMS": 0x800C,
    "RESULTS": 0x8010,
    "WAITING": 0x8014,
}
"""Counters of the link itself, words of 32 bits, by address.

Frames that were good, that were damaged (dropped), requests that were answered a second time; items
that the design took and results that it gave since RESET; results that wait for STORE.
"""


def divisor(clock: int, baud: int) -> int:
    """Clocks of a bit, rounded."""
    return round(clock / baud)


def possible(clock: int, baud: int) -> bool:
    """Whether a clock (Hz) makes a rate to within 1.5 percent, with `LEAST_DIVISOR` or more."""
    clocks = divisor(clock, baud)
    return clocks >= LEAST_DIVISOR and abs(clock / clocks / baud - 1) <= 0.015


def timeout_clocks(clock: int) -> int:
    """Clocks after which the board gives up: a power of two, about `TIMEOUT_SECONDS`."""
    return 1 << (int(clock * TIMEOUT_SECONDS) - 1).bit_length()


def megahertz(clock: int) -> str:
    """A clock of so many Hz in MHz, all digits of it."""
    return f"{clock // 10**6}.{clock % 10**6:06}".rstrip("0").rstrip(".")


def hertz(text: str) -> int | None:
    """The Hz of a clock in MHz: digits, at most six of them behind a point. None for other text."""
    whole, _, rest = text.partition(".")
    digits = whole + rest
    if not (whole and digits.isascii() and digits.isdigit() and len(rest) <= 6):
        return None
    return int(whole + rest.ljust(6, "0")) if len(whole) <= 4 else None


def most_stored(depth: int, result: int) -> int:
    """Results of so many bytes that one STORE may ask for, of a board that keeps ``depth``."""
    return min(depth, MAX_PAYLOAD // result)
