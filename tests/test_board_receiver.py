"""The link's receiver against a model of others, cobs and zlib, on any bytes."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from amaranth.sim import Simulator
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from hfp8_hw.hdl.link.receiver import FrameReceiver

LONGEST = 496
"""Bytes of a payload, by docs/reference/link.md."""


def framed(head: bytes, payload: bytes, length: int | None = None) -> bytes:
    """A frame as it is sent, by the document; ``length`` is another one than it has."""
    body = head + struct.pack("<H", len(payload) if length is None else length) + payload
    return b"\0" + cobs.encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0"


def accepted(block: bytes) -> tuple[bytes, bytes] | None:
    """(header without length, payload) of what came between two zeros, if it is a good frame."""
    try:
        body = cobs.decode(block)
    except cobs.DecodeError:
        return None
    if len(body) < 9 or struct.pack("<I", zlib.crc32(body[:-4])) != body[-4:]:
        return None
    (length,) = struct.unpack("<H", body[3:5])
    return (body[:3], body[5:-4]) if len(body) == length + 9 <= LONGEST + 9 else None


@dataclass
class Story:
    """Bytes, which of them have no stop bit, and for how many more bytes each frame that is
    accepted is left alone before it is dealt with."""

    data: bytes
    broken: frozenset[int] = frozenset()
    holds: tuple[int, ...] = ()
    good: list[tuple[bytes, bytes]] = field(default_factory=list)
    damaged: int = 0

    def expect(self) -> "Story":
        """What is to come of it."""
        block, spoilt, until = b"", False, -1
        holds = iter(self.holds)
        for at, byte in enumerate(self.data):
            if byte or at in self.broken:
                block += bytes([byte])
                spoilt = spoilt or at in self.broken or at <= until
                continue
            frame = None if spoilt else accepted(block)
            if frame is not None:
                self.good.append(frame)
                until = at + next(holds, 0)
            elif block:
                self.damaged += 1
            block, spoilt = b"", False
        return self


class Bench:
    """The receiver in a simulation that is made once."""

    def __init__(self) -> None:
        self.part = FrameReceiver()
        self.simulator = Simulator(self.part)
        self.simulator.add_clock(1e-6)
        self.simulator.add_testbench(self._bench)
        self.story = self.found = Story(b"")
        self.used = False

    def run(self, story: Story) -> Story:
        """What the receiver makes of it, from a reset on."""
        self.story, self.found = story, Story(story.data, story.broken, story.holds)
        if self.used:  # Or what is there to begin with would never be awaited.
            self.simulator.reset()
        self.used = True
        self.simulator.run()
        return self.found

    async def _bench(self, ctx: Any) -> None:
        holds, part = iter(self.story.holds), self.part
        left = -1  # bytes until the frame is dealt with
        for at, byte in enumerate(self.story.data):
            ctx.set(part.data, byte)
            ctx.set(part.broken, at in self.story.broken)
            ctx.set(part.valid, 1)
            self.found.damaged += ctx.get(part.damaged)
            good = ctx.get(part.good)
            await ctx.tick()
            ctx.set(part.valid, 0)
            left -= left >= 0 and not good
            if good:
                left = next(holds, 0)
            if left == 0 and ctx.get(part.full):
                await self._read(ctx)
                left = -1

    async def _read(self, ctx: Any) -> None:
        part = self.part
        head = bytes(ctx.get(port) for port in (part.version, part.sequence, part.opcode))
        payload = bytearray()
        ctx.set(part.byte_ready, 1)
        while len(payload) < ctx.get(part.length):
            if ctx.get(part.byte_valid):
                payload.append(ctx.get(part.byte))
            await ctx.tick()
        ctx.set(part.byte_ready, 0)
        ctx.set(part.done, 1)
        await ctx.tick()
        ctx.set(part.done, 0)
        self.found.good.append((head, bytes(payload)))


@cache
def bench() -> Bench:
    return Bench()


HEADS = st.binary(min_size=3, max_size=3)
GOOD = st.builds(framed, HEADS, st.binary(max_size=40))
PARTS = st.one_of(
    GOOD,
    st.binary(max_size=30),
    st.sampled_from([b"\0", b"\0\0", b"\xff" * 9, b"\1", b"\2\0"]),
    # A length that is not its own; cut short; with something changed; two in one.
    st.builds(framed, HEADS, st.binary(max_size=9), st.integers(0, 65535)),
    st.builds(lambda frame, n: frame[: n % len(frame)], GOOD, st.integers(0, 99)),
    st.builds(lambda frame, n, x: bytes(b ^ x * (k == n % len(frame)) for k, b in enumerate(frame)),
              GOOD, st.integers(0, 99), st.integers(1, 255)),
    st.builds(lambda one, other: one[:-1] + other[1:], GOOD, GOOD),
)  # fmt: skip
LAST = framed(b"\1\2\3", b"whole again")


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Any parts one after the other, and a good frame at the end."""
    data = b"".join(draw(st.lists(PARTS, max_size=6)))
    broken = draw(st.frozensets(st.integers(0, max(0, len(data) - 1)), max_size=2)) if data else ()
    holds = draw(st.lists(st.integers(0, 20), max_size=3))
    # The frame before the last one has been dealt with by then, and the last one at the end.
    return Story(data + b"\0" * 21 + LAST + b"\0" * 21, frozenset(broken), tuple(holds))


@settings(max_examples=50)
@given(stories())
def test_any_bytes(story: Story) -> None:
    """The frames that cobs and zlib accept and no others; and after a zero byte all is well."""
    found, due = bench().run(story), story.expect()
    assert found.good == due.good and found.damaged == due.damaged
    assert due.good[-1] == (b"\1\2\3", b"whole again")


def long_ones() -> Iterator[tuple[str, bytes]]:
    """Frames around what there is room for, with and without zeros, and blocks of 254."""
    for size in (0, 244, 245, 246, 248, 249, 250, 495, 496, 497, 503, 504, 600):
        yield f"{size} of no zero", framed(b"\1\2\3", b"\xaa" * size)
        yield f"{size} zeros", framed(b"\1\2\3", bytes(size))


@pytest.mark.parametrize("name", [name for name, _ in long_ones()])
def test_long_frames(name: str) -> None:
    data = dict(long_ones())[name]
    story = Story(data + b"\0" + LAST)
    found, due = bench().run(story), story.expect()
    assert found.good == due.good and found.damaged == due.damaged
    assert len(found.good) == 1 + (int(name.split()[0]) <= LONGEST)


def test_the_model_is_the_document() -> None:
    """A frame by hand, and each way in which one can be wrong."""
    good = bytes.fromhex("04 01 05 02 01 05 f1fa18cf")
    assert accepted(good) == (b"\1\5\2", b"")
    for bad in (good[:-1], good + b"\1", b"\5" + good[1:], good[:5] + b"\1" + good[6:], b"\xff"):
        assert accepted(bad) is None
    found = Story(b"\0" + good + b"\0" + good + b"\0" + good + b"\0", frozenset({3}), (0, 9))
    assert (len(found.expect().good), found.damaged) == (2, 1)
