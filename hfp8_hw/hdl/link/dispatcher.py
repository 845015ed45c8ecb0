"""Does what a frame asks for, and answers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...protocol import (
    BASE_BAUD,
    HELLO_BYTES,
    LEAST_DIVISOR,
    LINK_REGISTERS,
    NONCE,
    RESPONSE,
    TRIAL,
    VERSION,
    Opcode,
    Refusal,
    divisor,
    most_stored,
    timeout_clocks,
)
from .target import byte_of
from .uart import DIVISOR_BITS

CLEAR_CLOCKS = 16
"""How long RESET holds the design in reset."""


class Dispatcher(wiring.Component):
    """Takes frames from a `FrameReceiver`, serves a `Target`, and has a `FrameSender` answer.

    A request with the sequence number of the last one is answered with the same bytes again, and
    not done again. HELLO always is, and begins a session; until then all else is refused.

    Parameters
    ----------
    clock : int
        Hz.
    manifest : bytes
        Eight bytes that tell designs apart.
    streams, item, result : int
        As `Target` has them.
    depth : int
        Results that may wait.

    Members
    -------
    build : in, 64 bits
        Tells bitstreams apart; constant.
    full, version ... done
        To the receiver.
    begin ... busy
        To the sender.
    clear, select, last, i_data, i_valid, i_ready, address, write, read, w_data, r_data,
    acknowledge, refused
        To the target.
    r_record, r_level, r_take
        The oldest result that waits, how many there are, and: drop it.
    took, gave, good, damaged : in, 1 bit
        What is counted.
    divisor : out, 16 bits
        To the UART.
    """

    def __init__(
        self, clock: int, manifest: bytes, streams: int, item: int, result: int, depth: int
    ) -> None:
        self.clock, self.manifest, self.depth = clock, manifest, depth
        self.streams, self.item, self.result = streams, item, result
        super().__init__({
            "build": In(64),
            "full": In(1), "version": In(8), "sequence": In(8), "opcode": In(8), "length": In(16),
            "byte": In(8), "byte_valid": In(1), "byte_ready": Out(1), "done": Out(1),
            "begin": Out(1), "put": Out(8), "put_valid": Out(1), "finish": Out(1), "again": Out(1),
            "busy": In(1),
            "clear": Out(1), "select": Out(range(max(streams, 2))), "last": Out(1),
            "i_data": Out(8 * item), "i_valid": Out(1), "i_ready": In(1),
            "address": Out(15), "write": Out(1), "read": Out(1), "w_data": Out(32),
            "r_data": In(32), "acknowledge": In(1), "refused": In(1),
            "r_record": In(8 * result), "r_level": In(range(depth + 1)), "r_take": Out(1),
            "took": In(1), "gave": In(1), "good": In(1), "damaged": In(1),
            "divisor": Out(DIVISOR_BITS, init=divisor(clock, BASE_BAUD)),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        session, known = Signal(), Signal()
        last_sequence = Signal(8)
        count = Signal(16)  # bytes, words or results still to come
        at = Signal(range(max(HELLO_BYTES, self.item, self.result, CLEAR_CLOCKS)))
        word = Signal(32)
        argument = Signal(16)
        rate = Signal(DIVISOR_BITS)
        faster, trial = Signal(), Signal()
        waited = Signal((TRIAL * timeout_clocks(self.clock)).bit_length() - 1)
        error = Signal(8)
        patience = Signal(range(timeout_clocks(self.clock) + 1))
        late = patience == timeout_clocks(self.clock)
        counters = Array(self._counters(m))

        facts = Array(self._facts())
        answer_op, answer_length = Signal(8), Signal(16)
        m.d.comb += [
            self.address.eq(argument), self.w_data.eq(word),
            self.last.eq(argument[15] & (count == 0)),
        ]  # fmt: skip

        def answer(length: Any, then: str) -> None:
            """Begin the answer; ``then`` puts its payload."""
            m.d.sync += [
                answer_op.eq(self.opcode | RESPONSE), answer_length.eq(length), at.eq(0),
                after.eq(states[then]),
            ]  # fmt: skip
            m.next = "header"

        def refuse(why: Refusal) -> None:
            m.d.sync += [
                error.eq(why), answer_op.eq(Opcode.ERROR | RESPONSE), answer_length.eq(2),
                at.eq(0), after.eq(states["error"]),
            ]  # fmt: skip
            m.next = "header"

        states = {name: k for k, name in enumerate(
            ("end", "error", "hello", "word", "waiting", "results"))}  # fmt: skip
        after = Signal(range(len(states)))
        taken = self.byte_valid & self.byte_ready

        with m.FSM(name="dispatch"):
            with m.State("idle"):
                m.d.sync += [at.eq(0), patience.eq(0), faster.eq(0)]
                with m.If(self.full & ~self.busy):
                    m.d.comb += self.begin.eq(1)
                    hello = self.opcode == Opcode.HELLO
                    with m.If(self.version != VERSION):
                        m.d.sync += [session.eq(0), known.eq(0)]
                        refuse(Refusal.VERSION)
                    with m.Elif(~session & ~hello):
                        refuse(Refusal.NO_SESSION)
                    with m.Elif(known & (self.sequence == last_sequence) & ~hello):
                        m.d.comb += [self.begin.eq(0), self.again.eq(1)]
                        m.next = "drop"
                    with m.Else():
                        m.d.sync += [
                            known.eq(1), last_sequence.eq(self.sequence), count.eq(self.length),
                        ]  # fmt: skip
                        m.next = "request"
            with m.State("request"), m.Switch(self.opcode):
                with m.Case(Opcode.HELLO):
                    with m.If(self.length == NONCE):
                        m.d.sync += session.eq(1)
                        answer(HELLO_BYTES, "hello")
                    with m.Else():
                        refuse(Refusal.LENGTH)
                with m.Case(Opcode.RESET):
                    m.next = "clear"
                with m.Case(Opcode.READ, Opcode.WRITE, Opcode.STORE, Opcode.BAUD, Opcode.LOAD):
                    m.next = "argument"
                with m.Default():
                    refuse(Refusal.OPCODE)
            with m.State("clear"):
                m.d.comb += self.clear.eq(1)
                m.d.sync += at.eq(at + 1)
                with m.If(at == CLEAR_CLOCKS - 1):
                    answer(0, "end")

            # The first two bytes: an address, a number of results, a rate; of LOAD, a stream.
            with m.State("argument"):
                m.d.comb += self.byte_ready.eq(count != 0)
                with m.If(count == 0):
                    refuse(Refusal.LENGTH)
                with m.Elif(taken):
                    m.d.sync += [
                        argument.eq(Cat(argument[8:], self.byte)), count.eq(count - 1),
                        at.eq(at + 1),
                    ]  # fmt: skip
                    with m.If(at == 1):
                        m.next = "begin"
            with m.State("begin"):
                m.d.sync += at.eq(0)
                with m.Switch(self.opcode):
                    with m.Case(Opcode.LOAD):
                        m.d.sync += self.select.eq(argument)
                        with m.If(argument[:15] >= self.streams):
                            refuse(Refusal.ARGUMENT)
                        with m.Else():
                            m.next = "gather"
                    with m.Case(Opcode.WRITE):
                        m.next = "write word"
                    with m.Case(Opcode.READ):
                        m.next = "look up"
                        with m.If(count != 0):
                            refuse(Refusal.LENGTH)
                    with m.Case(Opcode.STORE):
                        with m.If(count != 0):
                            refuse(Refusal.LENGTH)
                        with m.Elif(argument > most_stored(self.depth, self.result)):
                            refuse(Refusal.ARGUMENT)
                        with m.Else():
                            m.next = "await"
                    with m.Default():  # BAUD
                        with m.If((count != 0) | (argument < LEAST_DIVISOR)):
                            refuse(Refusal.LENGTH)
                        with m.Else():
                            m.d.sync += [rate.eq(argument), faster.eq(1)]
                            answer(0, "end")

            # LOAD: whole records.
            with m.State("gather"):
                m.d.comb += self.byte_ready.eq(count != 0)
                m.d.sync += patience.eq(0)
                with m.If(count == 0):
                    with m.If(at == 0):
                        answer(2, "waiting")
                    with m.Else():
                        refuse(Refusal.LENGTH)
                with m.Elif(taken):
                    m.d.sync += [
                        self.i_data.eq(Cat(self.i_data[8:], self.byte)), count.eq(count - 1),
                        at.eq(at + 1),
                    ]  # fmt: skip
                    with m.If(at == self.item - 1):
                        m.d.sync += at.eq(0)
                        m.next = "give"
            with m.State("give"):
                m.d.comb += self.i_valid.eq(1)
                m.d.sync += patience.eq(patience + 1)
                with m.If(self.i_ready):
                    m.next = "gather"
                with m.Elif(late):
                    refuse(Refusal.TIMEOUT)
            with m.State("waiting"):
                m.d.comb += [
                    self.put_valid.eq(1), self.put.eq(Mux(at == 0, self.r_level[:8],
                                                          self.r_level >> 8)),
                ]  # fmt: skip
                m.d.sync += at.eq(at + 1)
                with m.If(at == 1):
                    m.next = "end"

            # STORE: results.
            with m.State("await"):
                m.d.sync += patience.eq(patience + 1)
                with m.If(self.r_level >= argument):
                    m.d.sync += count.eq(argument)
                    answer(_times(argument, self.result), "results")
                with m.Elif(late):
                    refuse(Refusal.TIMEOUT)
            with m.State("results"):
                with m.If(count == 0):
                    m.next = "end"
                with m.Else():
                    m.d.comb += [
                        self.put_valid.eq(1), self.put.eq(byte_of(self.r_record, at)),
                    ]  # fmt: skip
                    m.d.sync += at.eq(at + 1)
                    with m.If(at == self.result - 1):
                        m.d.comb += self.r_take.eq(1)
                        m.d.sync += [at.eq(0), count.eq(count - 1)]
                        m.next = "next result"
            with m.State("next result"):
                m.next = "results"

            # READ and WRITE.
            with m.State("look up"):
                m.d.comb += self.read.eq(~argument[15])
                m.d.sync += patience.eq(patience + 1)
                with m.If(argument[15]):
                    m.d.sync += word.eq(counters[argument[2:5]])
                    with m.If(argument[:15] >= 4 * len(LINK_REGISTERS)):
                        refuse(Refusal.ARGUMENT)
                    with m.Else():
                        answer(4, "word")
                with m.Elif(self.acknowledge):
                    m.d.sync += word.eq(self.r_data)
                    with m.If(self.refused):
                        refuse(Refusal.ARGUMENT)
                    with m.Else():
                        answer(4, "word")
                with m.Elif(late):
                    refuse(Refusal.TIMEOUT)
            with m.State("word"):
                m.d.comb += [self.put_valid.eq(1), self.put.eq(word[:8])]
                m.d.sync += [word.eq(word >> 8), at.eq(at + 1)]
                with m.If(at == 3):
                    m.next = "end"
            with m.State("write word"):
                m.d.comb += self.byte_ready.eq(count != 0)
                m.d.sync += patience.eq(0)
                with m.If(count == 0):
                    with m.If(at == 0):
                        answer(0, "end")
                    with m.Else():
                        refuse(Refusal.LENGTH)
                with m.Elif(taken):
                    m.d.sync += [
                        word.eq(Cat(word[8:], self.byte)), count.eq(count - 1), at.eq(at + 1),
                    ]  # fmt: skip
                    with m.If(at == 3):
                        m.d.sync += at.eq(0)
                        m.next = "write"
            with m.State("write"):
                m.d.comb += self.write.eq(~argument[15])
                m.d.sync += patience.eq(patience + 1)
                with m.If(self.acknowledge | argument[15]):
                    m.d.sync += argument.eq(argument + 4)
                    m.next = "write word"
                    with m.If(self.refused | argument[15]):
                        refuse(Refusal.ARGUMENT)
                with m.Elif(late):
                    refuse(Refusal.TIMEOUT)

            # Answers.
            with m.State("header"):
                header = Cat(Const(VERSION, 8), self.sequence, answer_op, answer_length)
                m.d.comb += [self.put_valid.eq(1), self.put.eq(byte_of(header, at))]
                m.d.sync += at.eq(at + 1)
                with m.If(at == 4):
                    m.d.sync += at.eq(0)
                    with m.Switch(after):
                        for name, number in states.items():
                            with m.Case(number):
                                m.next = name
            with m.State("error"):
                m.d.comb += [self.put_valid.eq(1), self.put.eq(Mux(at == 0, error, self.opcode))]
                m.d.sync += at.eq(at + 1)
                with m.If(at == 1):
                    m.next = "end"
            with m.State("hello"):
                with m.If(at < NONCE):
                    m.d.comb += [
                        self.byte_ready.eq(1), self.put.eq(self.byte),
                        self.put_valid.eq(self.byte_valid),
                    ]  # fmt: skip
                with m.Else():
                    m.d.comb += [self.put.eq(facts[at]), self.put_valid.eq(1)]
                with m.If(self.put_valid):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at == HELLO_BYTES - 1):
                        m.next = "end"
            with m.State("end"):
                m.d.comb += self.finish.eq(1)
                m.next = "sent"
            with m.State("drop"):
                m.next = "sent"
            with m.State("sent"), m.If(~self.busy):
                m.d.comb += self.done.eq(1)
                with m.If(faster):
                    m.d.sync += [self.divisor.eq(rate), trial.eq(1), waited.eq(0)]
                m.next = "settle"
            with m.State("settle"):
                m.next = "idle"

        # A new rate is kept if a good frame comes at it.
        with m.If(self.good):
            m.d.sync += trial.eq(0)
        with m.Elif(trial):
            m.d.sync += waited.eq(waited + 1)
            with m.If(waited.all()):
                m.d.sync += [trial.eq(0), self.divisor.eq(divisor(self.clock, BASE_BAUD))]
        return m

    def _counters(self, m: Module) -> list[Any]:
        """The words of `LINK_REGISTERS`, in their order; the design's are counted from RESET on."""
        values: list[Any] = []
        for name, event, of_design in (
            ("frames", self.good, False), ("damaged", self.damaged, False),
            ("repeated", self.again, False), ("items", self.took, True),
            ("results", self.gave, True),
        ):  # fmt: skip
            value = Signal(32, name=f"count_{name}")
            m.d.sync += value.eq(value + event)
            if of_design:
                with m.If(self.clear):
                    m.d.sync += value.eq(0)
            values.append(value)
        return [*values, self.r_level]

    def _facts(self) -> list[Any]:
        """HELLO's answer, byte by byte; the nonce is put in its place."""
        numbers = ((self.clock, 4), (1, 1), (self.streams, 1), (self.depth, 2), (self.item, 2),
                   (self.result, 2))  # fmt: skip
        tail = b"".join(value.to_bytes(size, "little") for value, size in numbers)
        build = [self.build.word_select(k, 8) for k in range(8)]
        found = [*bytes(NONCE), *self.manifest, *build, *tail]
        assert len(found) == HELLO_BYTES
        return found


def _times(value: Any, factor: int) -> Any:
    """A product by a constant, of additions: no multiplier is spent on it."""
    terms = [value << k for k in range(factor.bit_length()) if factor >> k & 1]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
