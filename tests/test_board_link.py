"""The protocol: frames by hand, and the module that is put on a board against the host's driver."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from hfp8_hw import protocol
from hfp8_hw.errors import RunError
from hfp8_hw.golden import quantize
from hfp8_hw.host import Device
from hfp8_hw.host.frames import Frame, Splitter, encode
from hfp8_hw.host.link import Facts, Link, LinkError, Refused, SessionLost
from hfp8_hw.parameters import unit_parameters
from hfp8_hw.protocol import LINK_REGISTERS, Opcode
from hfp8_hw.records import record
from rtl_gen.board import BoardModule, board_module
from rtl_gen.package import generate
from verif.board.line import Line
from verif.board.model import Model, compiled

ROOT = Path(__file__).resolve().parent.parent
CLOCK = 1_843_200
"""A slow one: 16 clocks of a bit at 115,200 baud, and 8 at 230,400, which no faster rate allows."""


@pytest.fixture(scope="module")
def module() -> BoardModule:
    return board_module(unit_parameters("quantizer", {}), CLOCK)


@pytest.fixture(scope="module")
def board(module: BoardModule) -> Callable[[], Model]:
    def make() -> Model:
        return compiled(module)

    return make


def device_manifest(name: str | None = None) -> dict[str, Any]:
    return generate(unit_parameters("quantizer", {}), name).manifest


def body(*head: int, payload: bytes = b"") -> bytes:
    """A frame before COBS, by the document: version, sequence, opcode, length, payload, CRC."""
    data = bytes(head) + struct.pack("<H", len(payload)) + payload
    return data + struct.pack("<I", zlib.crc32(data))


def test_a_frame_byte_by_byte() -> None:
    # CRC-32 of 01 05 02 00 00, from another program, gzip.
    assert encode(Frame(5, Opcode.RESET, b"")) == bytes.fromhex("00 04 01 05 02 01 05 f1fa18cf 00")


@given(st.binary(max_size=protocol.MAX_PAYLOAD), st.integers(0, 255), st.integers(1, 126))
def test_frames_come_back(payload: bytes, sequence: int, opcode: int) -> None:
    data = encode(Frame(sequence, opcode, payload))
    assert data[:1] == data[-1:] == b"\0" and 0 not in data[1:-1]
    assert cobs.decode(data[1:-1]) == body(1, sequence, opcode, payload=payload)
    splitter = Splitter()
    found = [frame for byte in data for frame in splitter.feed(bytes([byte]))]
    assert found == [Frame(sequence, opcode, payload)] and splitter.damaged == 0


@given(st.binary(max_size=60), st.data())
def test_a_damaged_frame_is_dropped(payload: bytes, data: st.DataObject) -> None:
    """With any one byte changed, the next frame is whole again."""
    good = encode(Frame(7, 3, payload))
    place = data.draw(st.integers(1, len(good) - 2))
    bad = bytearray(good)
    bad[place] ^= data.draw(st.integers(1, 255))
    splitter = Splitter()
    assert splitter.feed(bytes(bad)) == [] and splitter.damaged >= 1
    assert splitter.feed(good) == [Frame(7, 3, payload)]


def test_records_lie_as_documented() -> None:
    made = record([("a", 8), ("first", 1), ("sum", 19), ("y", 16)])
    assert [(f.name, f.byte, f.bytes) for f in made.fields] == [
        ("a", 0, 1), ("first", 1, 1), ("sum", 2, 3), ("y", 5, 2),
    ]  # fmt: skip
    assert made.size == 7


def test_hello_tells_what_is_there(module: BoardModule, board: Callable[[], Model]) -> None:
    link = Link(Line(board()))
    facts = link.hello()
    assert facts.manifest.hex() == module.design.manifest["sha256"][:16]
    assert facts.build == module.build and facts.clock == CLOCK
    assert (facts.streams, facts.item, facts.result, facts.results) == (1, 4, 2, 256)
    assert link.counters() == {"FRAMES": 2, "DAMAGED": 0, "REPEATED": 0, "ITEMS": 0, "RESULTS": 0,
                               "WAITING": 0}  # fmt: skip


def test_the_page_says_what_goes_over_the_line(board: Callable[[], Model]) -> None:
    """The refusal that it quotes, byte by byte, and the rates at which a board may be."""
    page = " ".join((ROOT / "docs" / "reference" / "link.md").read_text().split())
    model = board()
    asked = [body(1, 8, Opcode.HELLO, payload=b"abcd"), body(1, 9, 5, payload=b"\1\0" + bytes(4))]
    for request in asked:
        model.give(b"\0" + cobs.encode(request) + b"\0")
        data = b"".join(model.run(20_000) for _ in range(64))
    assert f"is answered with `{data.hex(' ')}`" in page
    rates = [f"{baud:,}" for baud in protocol.BAUDS]
    assert f"twice at each: {', '.join(rates[:-1])} and {rates[-1]}." in page


def test_results_are_goldens(module: BoardModule, board: Callable[[], Model]) -> None:
    """More than the board has room for, so that it depends on credits."""
    x = np.random.default_rng(3).normal(0, 300, 700).astype(np.float32)
    device = Device(Line(board()))
    assert device.link.baud == 230_400
    told: list[int] = []
    columns = {"i_x": x.view(np.uint32)}
    found = device.run(module.design.manifest, columns, told.append)
    codes, flags = quantize(x, "HFP8_FWD", flags=True)
    assert (found["o_y"] == codes).all() and (found["o_flags"] == flags).all()
    assert told == [248, 496, 700]


@pytest.mark.parametrize("last", [0, 199, 200, 255])
def test_a_session_begins_with_any_number(board: Callable[[], Model], last: int) -> None:
    """Also with the number of the last request of the program before, whose answer is kept."""
    model = board()
    before = Link(Line(model), sequence=last)
    before.hello()
    before.read(LINK_REGISTERS["FRAMES"])
    link = Link(Line(model), sequence=(last + 1) % 256)
    assert link.hello().clock == CLOCK and link.traffic.repeated == 0


def test_a_request_is_done_once(board: Callable[[], Model]) -> None:
    model = board()
    link = Link(Line(model), sequence=1)
    link.hello()
    request = body(1, 200, Opcode.LOAD, payload=b"\0\0" + bytes(8))
    answers = []
    for _ in range(3):
        model.give(b"\0" + cobs.encode(request) + b"\0")
        data = b"".join(model.run(20_000) for _ in range(16))
        answers.append(data)
    assert answers[0] == answers[1] == answers[2]
    assert cobs.decode(answers[0].strip(b"\0")) == body(1, 200, 0x85, payload=b"\2\0")
    counted = link.counters()
    assert (counted["ITEMS"], counted["REPEATED"], counted["WAITING"]) == (2, 2, 2)


@pytest.mark.parametrize(
    "noise",
    [
        b"\xff\x00\x55" * 9,
        cobs.encode(body(1, 9, 1, payload=b"abcd"))[:-1],  # cut short
        cobs.encode(body(1, 9, 2) + b"x"),  # longer than its length
        cobs.encode(body(1, 9, 5, payload=bytes(600))),  # longer than the buffer
        cobs.encode(body(1, 9, 2)[:-4] + b"1234"),  # another CRC
        bytes([200]) * 40,
    ],
)
def test_what_is_no_frame_is_dropped(board: Callable[[], Model], noise: bytes) -> None:
    model = board()
    line = Line(model)
    model.give(noise)
    link = Link(line)
    link.hello()
    counted = link.counters()
    assert counted["DAMAGED"] >= 1 and counted["FRAMES"] == 2 and link.traffic.repeated == 0


@pytest.mark.parametrize(
    ("opcode", "payload", "why"),
    [
        (99, b"", "it does not know the opcode"),
        (Opcode.HELLO, b"abc", "length does not fit"),
        (Opcode.READ, b"\0", "length does not fit"),
        (Opcode.READ, b"\0\x80\0", "length does not fit"),
        (Opcode.READ, b"\x18\x80", "no such stream or register"),
        (Opcode.READ, b"\0\0", "no such stream or register"),
        (Opcode.WRITE, b"\0\0\1\2\3\4", "no such stream or register"),
        (Opcode.WRITE, b"\0\0\1\2\3", "length does not fit"),
        (Opcode.LOAD, b"\0\0abc", "length does not fit"),
        (Opcode.LOAD, b"\1\0abcd", "no such stream or register"),
        (Opcode.STORE, b"\xf9\0", "no such stream or register"),
        (Opcode.STORE, b"\1\0", "it waited in vain"),
        (Opcode.BAUD, b"\7\0", "length does not fit"),
    ],
)
def test_what_is_refused(board: Callable[[], Model], opcode: int, payload: bytes, why: str) -> None:
    link = Link(Line(board()))
    link.hello()
    with pytest.raises(Refused, match=why):
        link.request(opcode, payload)
    assert link.traffic.repeated == 0 and link.read(LINK_REGISTERS["ITEMS"]) == 0


def test_whole_items_before_a_part_of_one_are_taken(board: Callable[[], Model]) -> None:
    link = Link(Line(board()))
    link.hello()
    with pytest.raises(Refused, match="length does not fit"):
        link.request(Opcode.LOAD, bytes(2 + 4 + 4 + 3))
    counted = link.counters()
    assert (counted["ITEMS"], counted["WAITING"]) == (2, 2)
    assert link.request(Opcode.STORE, b"\0\0") == b""
    assert len(link.request(Opcode.STORE, b"\2\0")) == 4


def test_another_version_ends_the_session(board: Callable[[], Model]) -> None:
    model = board()
    link = Link(Line(model), sequence=1)
    link.hello()
    model.give(b"\0" + cobs.encode(body(2, 9, Opcode.RESET)) + b"\0")
    data = b"".join(model.run(20_000) for _ in range(16))
    assert cobs.decode(data.strip(b"\0"))[:-4] == body(1, 9, 255, payload=b"\1\2")[:-4]
    with pytest.raises(SessionLost):
        link.read(LINK_REGISTERS["FRAMES"])


def test_a_refusal_that_is_none() -> None:
    class Odd(Line):
        def __init__(self) -> None:
            self.time, self.answer = 0.0, b""

        def write(self, data: bytes) -> None:
            sequence = cobs.decode(data.strip(b"\0"))[1]
            self.answer = encode(Frame(sequence, 255, b""))

        def read(self, seconds: float) -> bytes:
            data, self.answer = self.answer, b""
            self.time += seconds
            return data

        def now(self) -> float:
            return self.time

        def set_baud(self, baud: int) -> None:
            pass

    with pytest.raises(LinkError, match="the board's refusal is not of this protocol"):
        Link(Odd()).hello()


def test_a_reset_ends_the_session(module: BoardModule, board: Callable[[], Model]) -> None:
    model = board()
    link = Link(Line(model))
    with pytest.raises(SessionLost, match="the board was reset"):
        link.read(LINK_REGISTERS["FRAMES"])
    link.hello()
    model.reset()
    with pytest.raises(SessionLost):
        link.request(Opcode.RESET)
    link.hello()
    assert link.read(LINK_REGISTERS["FRAMES"]) == 3


def test_a_run_survives_a_reset(module: BoardModule, board: Callable[[], Model]) -> None:
    model = board()
    device = Device(Line(model))
    x = np.arange(600, dtype=np.float32)
    resets = iter([True])

    def press(count: int) -> None:
        if next(resets, False):
            model.reset()

    found = device.run(module.design.manifest, {"i_x": x.view(np.uint32)}, press)
    assert (found["o_y"] == quantize(x, "HFP8_FWD")).all() and not next(resets, False)


def test_another_design_is_refused(board: Callable[[], Model]) -> None:
    device = Device(Line(board()), fast=False)
    manifest = {"sha256": "ab" * 32, "name": "hfp8_other"}
    with pytest.raises(RunError, match="another one than hfp8_other: its hash is ") as caught:
        device.check(manifest)
    assert str(caught.value).endswith("load the right bitstream")
    with pytest.raises(RunError, match="another one than hfp8_other"):
        device.run({**device_manifest(), **manifest}, {"i_x": np.zeros(3, np.uint32)})


def test_a_design_under_another_name_is_explained(board: Callable[[], Model]) -> None:
    """Its hash is another one, as its Verilog has its name."""
    device = Device(Line(board()), fast=False)
    device.check(device_manifest())
    with pytest.raises(
        RunError, match=r"another one than mine: .* manifest of the same parameters"
    ):
        device.check(device_manifest("mine"))


def test_a_rate_that_does_not_work_is_given_up(
    board: Callable[[], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host asks for it and does not follow; both are at 115,200 in the end."""
    line = Line(board())
    monkeypatch.setattr(line, "set_baud", lambda baud: None)
    link = Link(line)
    link.hello()
    assert link.speed_up() == protocol.BASE_BAUD
    assert link.hello().clock == CLOCK


def test_a_host_that_comes_later_finds_the_rate(board: Callable[[], Model]) -> None:
    line = Line(board())
    assert Device(line).link.baud == 230_400
    line.set_baud(protocol.BASE_BAUD)
    link = Link(line)
    assert link.find().clock == CLOCK and link.baud == 230_400


def test_the_rate_is_given_back(board: Callable[[], Model]) -> None:
    """A program that knows no other rate than the first finds the board after this host."""
    model = board()
    with Device(Line(model)) as device:
        assert device.link.baud == 230_400
    model.rate(protocol.BASE_BAUD)
    model.give(b"\0" + cobs.encode(body(1, 50, Opcode.HELLO, payload=b"abcd")) + b"\0")
    data = b"".join(model.run(20_000) for _ in range(64))
    assert cobs.decode(data.strip(b"\0"))[:9] == bytes([1, 50, 0x81, 32, 0]) + b"abcd"


def test_a_board_that_is_gone_is_let_go_of(
    module: BoardModule, board: Callable[[], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(board())
    device = Device(line)
    monkeypatch.setattr(line, "write", lambda data: None)
    with pytest.raises(LinkError, match=r"^in mid-run the board does not answer HELLO at any rate"):
        device.run(module.design.manifest, {"i_x": np.zeros(3, np.uint32)})
    closed: list[bool] = []
    monkeypatch.setattr(line, "close", lambda: closed.append(True))
    device.close()
    assert closed == [True]


def test_another_bitstream_in_mid_run(
    module: BoardModule, board: Callable[[], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it would compute is not taken for this design's."""
    model = board()
    device = Device(Line(model), fast=False)
    say = Link.hello

    def other(link: Link, tries: int = 4) -> Facts:
        facts = say(link, tries)
        link.facts = replace(facts, manifest=b"another!")
        return link.facts

    def press(count: int) -> None:
        monkeypatch.setattr(Link, "hello", other)
        model.reset()

    columns = {"i_x": np.zeros(600, np.uint32)}
    with pytest.raises(RunError, match="in mid-run the board was loaded with another design"):
        device.run(module.design.manifest, columns, press)


def test_nothing_answers() -> None:
    class Silence:
        time = 0.0

        def write(self, data: bytes) -> None:
            pass

        def read(self, seconds: float) -> bytes:
            self.time += seconds
            return b""

        def set_baud(self, baud: int) -> None:
            pass

        def now(self) -> float:
            return self.time

        def close(self) -> None:
            self.closed = True

    silence = Silence()
    with pytest.raises(LinkError, match="does not answer HELLO at any rate: is the"):
        Device(silence)
    assert silence.closed and silence.time < 30
