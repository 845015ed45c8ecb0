"""The memory of an operand: written a part of a row a clock, read a block a clock, either way."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.shape import Amaranth
from .records import UNCHECKED, address_bits, operand_codes, reading, word_bits

DEEP = 2048
"""Words of 8 bits of a block RAM of 18 kbit."""


def read_cuts(p: CoreParameters) -> tuple[str, ...]:
    """The registers from what says where to read to the codes: those of the addresses, the memory's
    own, which is nearly over when it puts out a word, one that begins with that, and one to sort
    codes."""
    return (*(f"where{k}" for k in range(p.address_clocks)), "read", "word", "codes")


class Scratchpad(wiring.Component):
    """Banks of memory as `hfp8_hw.parameters.core.Layout` describes: one for each group of squares
    and row of a square, ``short`` codes wide, with one port to write and one, synchronous, to read.
    Where a beat has several words, each has a bank of its own, which a read chooses by the lowest
    bits of its address.

    Members
    -------
    write, address, row, turn, data
        From the `Loader`.
    groups : a bit for each group
        Which of them are written.
    words : a bit for each word of a beat
        Likewise; ``address`` is that of any of them.
    read : `reading`
    codes : ``outer`` x ``lanes`` codes, lanes first
        ``len(read_cuts(p))`` later.
    """

    def __init__(self, parameters: CoreParameters, side: str) -> None:
        self.parameters, self.side = parameters, side
        p = parameters
        self.layout, formats = (
            (p.a_layout, p.a_formats) if side == "a" else (p.b_layout, p.b_formats)
        )
        self.width = formats[0].width
        layout = self.layout
        self.shifts = side == "b" and p.convolution == "yes"
        count, bits = operand_codes(p, side)
        super().__init__(
            {
                "write": In(1),
                "address": In(address_bits(layout, p.pages)),
                "row": In((layout.short - 1).bit_length()),
                "turn": In((layout.groups - 1).bit_length()),
                "groups": In(layout.groups),
                "words": In(layout.parts),
                "data": In(count * bits),
                "read": In(reading(p, side)),
                "codes": Out(layout.outer * layout.lanes * self.width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p, layout, side = self.parameters, self.layout, self.side
        short, groups = layout.short, layout.groups
        _, bits = operand_codes(p, side)
        where, written = self._where(m), self._written(m)
        given = [written["data"][k * bits :][: self.width] for k in range(layout.beat)]
        part_bits = (layout.parts - 1).bit_length()
        # squares[s][i][j]: what group s puts out.
        squares: list[list[list[Amaranth]]] = []
        for s in range(groups):
            squares.append([])
            # The part of each of the beat's words that is in this group.
            parts = [
                _turned(written["turn"], [word[u * short :][:short] for u in range(groups)], s)
                for word in (given[k * layout.long :] for k in range(layout.parts))
            ]
            put = self._put(m, s, written, parts)
            for i in range(short):
                # The last row of a square is never above where a block begins.
                at = where[f"at{s}"]
                if self.shifts and i < short - 1:
                    at = Mux(where["row"] > i, where[f"below{s}"], at)
                rows = []
                for k in range(layout.parts):
                    name = f"{s}_{i}" + (f"_{k}" if layout.parts > 1 else "")
                    found = self._bank(
                        m, f"{side}{name}", put[f"here{i}_{k}"], put["address"], put[f"data{k}"],
                        at[part_bits:],
                    )  # fmt: skip
                    row = Signal(
                        short * self.width,
                        name=f"{side}_word{name}",
                        reset_less=True,
                        attrs={"stage": f"{side}_word"},
                    )
                    m.d.sync += row.eq(found)
                    rows.append(row)
                row = self._chosen(m, rows, at[:part_bits], f"{s}_{i}")
                squares[s].append([row[j * self.width :][: self.width] for j in range(short)])

        along, turn, first = where["along"], where["turn"], where.get("row", Const(0, 0))
        for stage in (f"{side}_read", f"{side}_word"):
            before = {"along": along, "turn": turn, "row": first}
            along, turn, first = (
                Signal(len(value), name=f"{stage}_{name}", reset_less=True, attrs={"stage": stage})
                for name, value in before.items()
            )
            m.d.sync += [along.eq(before["along"]), turn.eq(before["turn"])]
            if self.shifts:
                m.d.sync += first.eq(before["row"])
        if self.shifts:
            squares = self._shifted(squares, first)
        block: dict[tuple[int, int], Amaranth] = {}
        for u in range(groups):
            for i in range(short):
                for j in range(short):
                    # i on the long side, j on the short one.
                    found = [
                        [Mux(along, squares[s][j][i], squares[s][i][j])] for s in range(groups)
                    ]
                    block[u * short + i, j] = _turned(turn, found, -u, forward=True)[0]
        narrow = layout.outer <= layout.lanes
        codes = [
            block[(lane, one) if narrow else (one, lane)]
            for one in range(layout.outer)
            for lane in range(layout.lanes)
        ]
        held = Signal(
            len(self.codes),
            name=f"{side}_codes",
            reset_less=True,
            attrs={"stage": f"{side}_codes"},
        )
        m.d.sync += held.eq(Cat(*codes))
        m.d.comb += self.codes.eq(held)
        return m

    def _bank(
        self,
        m: Module,
        name: str,
        enable: Amaranth,
        address: Amaranth,
        value: Amaranth,
        read_address: Amaranth,
    ) -> Amaranth:
        """A row of a square's memory: the codes at ``read_address`` a clock ago.

        Where it is deeper than a block RAM is with a code a word, it is in slices of fewer bits: a
        choice between blocks behind them would not be done in a clock.
        """
        words, width = self.parameters.pages * self.layout.words, len(value)
        depth = words // self.layout.parts
        most = width if depth <= DEEP else max(1, 8 * DEEP >> (depth - 1).bit_length())
        parts = []
        for first in range(0, width, most):
            part = value[first : first + most]
            # No page is read while it is written.
            shape = unsigned(len(part))
            bank = memory.Memory(shape=shape, depth=depth, init=[], attrs=UNCHECKED)
            m.submodules[name if most == width else f"{name}_{first}"] = bank
            write: Any = bank.write_port()
            port: Any = bank.read_port(domain="sync")
            m.d.comb += [
                write.addr.eq(address),
                write.data.eq(part),
                write.en.eq(enable),
                port.addr.eq(read_address),
                port.en.eq(1),
            ]
            parts.append(port.data)
        return Cat(*parts)

    def _written(self, m: Module) -> dict[str, Amaranth]:
        """What comes to be written, as late as addresses to be read: no job's operand overtakes the
        reads of the one ahead."""
        now = {
            name: Value.cast(getattr(self, name))
            for name in ("write", "address", "row", "turn", "groups", "words", "data")
        }
        for clock in range(self.parameters.address_clocks):
            stage = f"{self.side}_given{clock}"
            for name, value in now.items():
                held = Signal(
                    len(value),
                    name=f"{stage}_{name}",
                    reset_less=name != "write",
                    attrs={"stage": stage},
                )
                m.d.sync += held.eq(value)
                now[name] = held
        return now

    def _put(
        self, m: Module, s: int, written: dict[str, Amaranth], parts: list[list[Amaranth]]
    ) -> dict[str, Amaranth]:
        """What a group's memories are given, in registers of its own: choosing it and carrying it
        there take a clock each. A read comes two clocks after what it reads, or later."""
        part_bits = (self.layout.parts - 1).bit_length()
        found = {"address": written["address"][part_bits:]}
        for k, part in enumerate(parts):
            found[f"data{k}"] = Cat(*part)
            for i in range(self.layout.short):
                here = written["write"] & written["groups"][s] & written["words"][k]
                if self.layout.short > 1:
                    here &= written["row"] == i
                found[f"here{i}_{k}"] = here
        stage = f"{self.side}_put"
        held = {
            name: Signal(
                len(value), name=f"{stage}{s}_{name}", reset_less=True, attrs={"stage": stage}
            )
            for name, value in found.items()
        }
        m.d.sync += [held[name].eq(value) for name, value in found.items()]
        return held

    def _where(self, m: Module) -> dict[str, Amaranth]:
        """For each group s the address of its square, ``at{s}``, and with ``shifts`` of the square
        below it, ``below{s}``; beside these the rest of `reading`, as late.

        In each clock twice as many squares are known, by one addition each.
        """
        layout, groups, clocks = self.layout, self.layout.groups, self.parameters.address_clocks
        read: Any = self.read
        names = ("turn", "along", "stride", *(("row", "down") if self.shifts else ()))
        beside: dict[str, Amaranth] = {name: Value.cast(read[name]) for name in names}
        squares: dict[str, Amaranth] = {"at0": read.base}
        begin = clocks - 1 - layout.address_levels - self.shifts
        for clock in range(clocks):
            if clock == clocks - 1:
                squares = self._by_group(squares, beside["turn"])
            elif clock == clocks - 2 and self.shifts:
                below = [self._further(one, beside["down"]) for one in squares.values()]
                squares |= {f"below{u}": one for u, one in enumerate(below)}
            elif clock >= begin:
                have = 1 << (clock - begin)
                squares |= {
                    f"at{u}": self._further(squares[f"at{u - have}"], beside["stride"] * have)
                    for u in range(have, min(2 * have, groups))
                }
            stage = f"{self.side}_where{clock}"

            def held(name: str, value: Amaranth, stage: str = stage) -> Amaranth:
                register = Signal(
                    len(value), name=f"{stage}_{name}", reset_less=True, attrs={"stage": stage}
                )
                m.d.sync += register.eq(value)
                return register

            beside = {name: held(name, value) for name, value in beside.items()}
            squares = {name: held(name, value) for name, value in squares.items()}
        return beside | squares

    def _by_group(self, squares: dict[str, Amaranth], turn: Amaranth) -> dict[str, Amaranth]:
        """The squares of a block's positions by the groups that they are in."""
        groups = self.layout.groups
        found = {}
        for s in range(groups):
            at = [[squares[f"at{u}"]] for u in range(groups)]
            found[f"at{s}"] = _turned(turn, at, s)[0]
            if self.shifts:
                # The squares below are each a group further.
                below = [[squares[f"below{u}"]] for u in range(groups)]
                found[f"below{s}"] = _turned(turn, below, s - 1)[0]
        return found

    def _further(self, address: Amaranth, step: Amaranth) -> Amaranth:
        """An address so many words further."""
        if self.shifts:
            return self._within(address, step)
        return (address + step)[: len(self.address)]

    def _chosen(self, m: Module, rows: list[Signal], which: Amaranth, name: str) -> Amaranth:
        """The word that was read, of those of all banks."""
        for stage in (f"{self.side}_read", f"{self.side}_word"):
            if len(rows) == 1:
                break
            held = Signal(
                len(which), name=f"{stage}_part{name}", reset_less=True, attrs={"stage": stage}
            )
            m.d.sync += held.eq(which)
            which = held
        found: Amaranth = rows[0]
        for k, row in enumerate(rows[1:], 1):
            found = Mux(which == k, row, found)
        return found

    def _within(self, address: Amaranth, step: Amaranth) -> Amaranth:
        """An address so many words further; behind the end of a page comes its beginning."""
        bits = word_bits(self.layout)
        return Cat((address[:bits] + step)[:bits], address[bits:])

    def _shifted(
        self, squares: list[list[list[Amaranth]]], first: Amaranth
    ) -> list[list[list[Amaranth]]]:
        """The squares that begin in row ``first`` of those that were read."""
        short, groups = self.layout.short, self.layout.groups

        def one(s: int, i: int) -> list[Amaranth]:
            found = squares[s][i]
            for k in range(1, short):
                down, at = divmod(i + k, short)
                there = squares[(s + down) % groups][at]
                found = [Mux(first == k, x, y) for x, y in zip(there, found, strict=True)]
            return found

        return [[one(s, i) for i in range(short)] for s in range(groups)]


def _turned(
    turn: Amaranth, choices: list[list[Amaranth]], number: int, forward: bool = False
) -> list[Amaranth]:
    """``choices[(number - turn) mod n]``; ``forward``: ``choices[(turn - number) mod n]``."""
    count = len(choices)
    sign = 1 if forward else -1
    result = choices[sign * -number % count] if forward else choices[number % count]
    for k in range(1, count):
        pick = choices[(k - number) % count if forward else (number - k) % count]
        result = [Mux(turn == k, x, y) for x, y in zip(pick, result, strict=True)]
    return result
