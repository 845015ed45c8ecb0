"""Frames as bytes: what docs/reference/link.md says, for the host's side."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from cobs import cobs

from ..protocol import CRC, HEADER, VERSION

_HEADER = struct.Struct("<BBBH")
_WORD = struct.Struct("<I")


@dataclass(frozen=True)
class Frame:
    """One frame: a request, or an answer."""

    sequence: int
    opcode: int
    payload: bytes
    version: int = VERSION


def encode(frame: Frame) -> bytes:
    """The bytes of a frame, a zero before and behind it."""
    head = _HEADER.pack(frame.version, frame.sequence, frame.opcode, len(frame.payload))
    body = head + frame.payload
    return b"\0" + cobs.encode(body + _WORD.pack(zlib.crc32(body))) + b"\0"


def decode(block: bytes) -> Frame | None:
    """The frame in what came between two zeros; None if it is damaged."""
    try:
        body = cobs.decode(block)
    except cobs.DecodeError:
        return None
    if len(body) < HEADER + CRC or zlib.crc32(body[:-CRC]) != _WORD.unpack(body[-CRC:])[0]:
        return None
    version, sequence, opcode, length = _HEADER.unpack(body[:HEADER])
    payload = body[HEADER:-CRC]
    return Frame(sequence, opcode, payload, version) if len(payload) == length else None


class Splitter:
    """Frames from bytes as they come.

    Members
    -------
    damaged : int
        How many frames were dropped.
    """

    def __init__(self) -> None:
        self._rest, self.damaged = b"", 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; the frames that they complete."""
        *blocks, self._rest = (self._rest + data).split(b"\0")
        frames = [decode(block) for block in blocks if block]
        self.damaged += frames.count(None)
        return [frame for frame in frames if frame is not None]
