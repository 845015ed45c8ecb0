"""Requests and answers: sent again when they are lost, never done twice."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, fields, replace

from ..errors import RunError
from ..protocol import (
    BASE_BAUD,
    BAUDS,
    BUFFER,
    HELLO_BYTES,
    LINK_REGISTERS,
    NONCE,
    REFUSALS,
    RESPONSE,
    TIMEOUT_SECONDS,
    TRIAL,
    VERSION,
    Opcode,
    Refusal,
    divisor,
    possible,
    timeout_clocks,
)
from .frames import Frame, Splitter, encode
from .transport import Transport

TRIES = 4
"""How often a request is sent before the host gives up."""
MARGIN = 0.2
"""Seconds that a host and its USB may add to the time of a transfer."""
WAITS = 2 * TIMEOUT_SECONDS
"""Seconds for what the board may have to wait for."""
_SETTLE = 0.005
_WAITING = (Opcode.READ, Opcode.WRITE, Opcode.LOAD, Opcode.STORE)
"""What the board may have to wait for."""
_FACTS = struct.Struct(f"<{NONCE}s8s8sIBBHHH")


class LinkError(RunError):
    """The board does not answer."""


class Refused(RunError):
    """The board refused a request."""

    def __init__(self, text: str, why: int) -> None:
        super().__init__(text)
        self.why = why


class SessionLost(RunError):
    """The board was reset in between: what it had been given is gone."""


@dataclass(frozen=True)
class Facts:
    """What HELLO is answered with.

    Members
    -------
    manifest, build : bytes
        Eight bytes each: which design, and which bitstream.
    clock : int
        Hz.
    frames : int
        Requests that may be on their way at a time.
    streams, item, result : int
        Input streams, bytes of an item and of a result.
    results : int
        How many results may wait on the board.
    """

    manifest: bytes
    build: bytes
    clock: int
    frames: int
    streams: int
    results: int
    item: int
    result: int


@dataclass(frozen=True)
class Traffic:
    """What went over a line.

    Members
    -------
    requests, repeated : int
        Sent, and of these sent again.
    sent, received : int
        Bytes to the board and from it.
    """

    requests: int = 0
    repeated: int = 0
    sent: int = 0
    received: int = 0

    def __sub__(self, other: Traffic) -> Traffic:
        """What went over it since another time."""
        return Traffic(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


class Link:
    """The protocol's client.

    Parameters
    ----------
    transport : Transport
        At `BASE_BAUD`.
    patience : float
        What the time that a wait may take is multiplied by: 1 for a board, more for a simulated
        one, whose clock is slow.
    margin, waits : float
        Seconds for the host and its USB, and for what the board may have to wait for; a host that
        is too hasty only asks more often.
    sequence : int or None
        The number of the first request, 0 to 255; None for any, so that a program is not taken for
        the one before it.

    Members
    -------
    facts : Facts
        Of the last `hello`.
    traffic : Traffic
        What went over the line until now.
    """

    facts: Facts

    def __init__(
        self,
        transport: Transport,
        patience: float = 1.0,
        *,
        margin: float = MARGIN,
        waits: float = WAITS,
        sequence: int | None = None,
    ) -> None:
        self.transport, self.patience = transport, patience
        self._margin, self._waits = margin, waits
        self.baud, self.traffic = BASE_BAUD, Traffic()
        self._sequence = (os.urandom(1)[0] if sequence is None else sequence - 1) % 256
        self._splitter = Splitter()

    def hello(self, tries: int = TRIES) -> Facts:
        """Begin a session.

        Raises
        ------
        LinkError
            If nothing answers, or something that speaks another version.
        """
        nonce = os.urandom(NONCE)
        payload = self.request(Opcode.HELLO, nonce, answer=HELLO_BYTES, tries=tries)
        if len(payload) != HELLO_BYTES or payload[:NONCE] != nonce:
            raise LinkError("the board's answer to HELLO is not of this protocol")
        _, manifest, build, *numbers = _FACTS.unpack(payload)
        self.facts = Facts(manifest, build, *numbers)
        return self.facts

    def find(self) -> Facts:
        """`hello` at whatever rate the board has.

        Raises
        ------
        LinkError
            If it answers at none.
        """
        for baud in (BASE_BAUD, *BAUDS):
            self.set_baud(baud)
            try:
                return self.hello(tries=2)
            except LinkError:
                continue
        self.set_baud(BASE_BAUD)
        raise LinkError(
            "the board does not answer HELLO at any rate: is the bitstream loaded, and is this its "
            "serial port?"
        )

    def speed_up(self) -> int:
        """The fastest rate that works, in bits a second; both sides have it now."""
        for baud in (b for b in BAUDS if b > self.baud and possible(self.facts.clock, b)):
            if self._try(baud):
                return baud
        return self.baud

    def slow_down(self) -> None:
        """Take the board back to `BASE_BAUD`, for a host that looks for it only there.

        Raises
        ------
        RunError
            As `request`; it is asked once.
        """
        if self.baud != BASE_BAUD:
            clocks = divisor(self.facts.clock, BASE_BAUD)
            self.request(Opcode.BAUD, clocks.to_bytes(2, "little"), tries=1)
            self.set_baud(BASE_BAUD)

    def _try(self, baud: int) -> bool:
        before = self.baud
        try:
            self.request(Opcode.BAUD, divisor(self.facts.clock, baud).to_bytes(2, "little"))
            self.set_baud(baud)
            self.transport.read(_SETTLE)  # the board ends its last stop bit first
            self.hello(tries=2)
        except LinkError:
            # The board goes back by itself; nothing is sent until it has.
            self.set_baud(BASE_BAUD)
            self._listen(2 * TRIAL * timeout_clocks(self.facts.clock) / self.facts.clock)
            self.hello()
            return False
        return self.baud != before

    def set_baud(self, baud: int) -> None:
        """Change the host's rate; the board is not told."""
        self.transport.set_baud(baud)
        self.baud = baud

    def request(
        self, opcode: int, payload: bytes = b"", answer: int = 0, tries: int = TRIES
    ) -> bytes:
        """Send a request, again if its answer does not come; the answer's payload.

        ``answer`` is how many bytes that has, which decides how long to wait for it.

        Raises
        ------
        LinkError
            If no answer comes, ``tries`` times.
        Refused, SessionLost
            If the board refuses, or was reset.
        """
        self._sequence = (self._sequence + 1) % 256
        frame = encode(Frame(self._sequence, opcode, payload))
        for turn in range(tries):
            t = self.traffic
            self.traffic = replace(
                t, requests=t.requests + 1, repeated=t.repeated + (turn > 0),
                sent=t.sent + len(frame),
            )  # fmt: skip
            self.transport.write(frame)
            found = self._answer(opcode, len(frame) + answer)
            if found is None:
                continue
            if found.opcode == Opcode.ERROR | RESPONSE:
                self._refused(found)
            return found.payload
        raise LinkError(
            f"the board does not answer {_name(opcode)}, sent {tries} times at {self.baud} "
            f"baud; {self._splitter.damaged} damaged frames came"
        )

    def read(self, address: int) -> int:
        """The word at a byte address; raises as `request`."""
        payload = self.request(Opcode.READ, address.to_bytes(2, "little"), answer=4)
        return int.from_bytes(payload, "little")

    def write(self, address: int, *words: int) -> None:
        """Write words to consecutive addresses; raises as `request`."""
        data = b"".join(word.to_bytes(4, "little") for word in words)
        self.request(Opcode.WRITE, address.to_bytes(2, "little") + data)

    def counters(self) -> dict[str, int]:
        """The link's own counters, `hfp8_hw.protocol.LINK_REGISTERS`."""
        return {name: self.read(address) for name, address in LINK_REGISTERS.items()}

    def _answer(self, opcode: int, size: int) -> Frame | None:
        """The answer to the last request; None if it does not come in time."""
        # Ten bits a byte, COBS adds one in 254; the board may wait for as long as it is allowed to.
        transfer = 10 * (min(size, 2 * BUFFER) + 32) / self.baud
        waits = self._waits if opcode in _WAITING else 0
        allowed = transfer + waits + self._margin
        for frame in self._frames(allowed * self.patience):
            if frame.sequence != self._sequence:
                continue
            if frame.opcode in (opcode | RESPONSE, Opcode.ERROR | RESPONSE):
                return frame
        return None

    def _frames(self, seconds: float):  # type: ignore[no-untyped-def]
        """The frames that come within some time."""
        end = self.transport.now() + seconds
        while (left := end - self.transport.now()) > 0:
            data = self.transport.read(left)
            self.traffic = replace(self.traffic, received=self.traffic.received + len(data))
            yield from self._splitter.feed(data)

    def _listen(self, seconds: float) -> None:
        """Drop what comes within some time."""
        for _ in self._frames(seconds * self.patience):
            pass

    def _refused(self, frame: Frame) -> None:
        if len(frame.payload) != 2:
            raise LinkError("the board's refusal is not of this protocol")
        why, opcode = frame.payload
        if frame.version != VERSION or why == Refusal.VERSION:
            raise LinkError(
                f"the board speaks version {frame.version} of the protocol, and this host {VERSION}"
            )
        if why == Refusal.NO_SESSION:
            raise SessionLost("the board was reset")
        text = REFUSALS[Refusal(why)] if why in REFUSALS else f"error {why}"
        raise Refused(f"the board refused {_name(opcode)}: {text}", why)


def _name(opcode: int) -> str:
    return Opcode(opcode).name if opcode in set(Opcode) else f"opcode {opcode}"
