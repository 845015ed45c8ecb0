"""The memory of an operand: written a part of a row a clock, read a block a clock, either way."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.raw import wire
from ..numbers.shape import Amaranth
from .records import address_bits, operand_codes, reading, word_bits

READ_CLOCKS = 3
"""From what says where to read to the codes: the memory's own clock, which is nearly over when it
puts out a word, one that begins with that, and one to sort codes."""


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
        `READ_CLOCKS` later.
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
        given = [self.data[k * bits :][: self.width] for k in range(layout.beat)]
        part_bits = (layout.parts - 1).bit_length()
        read: Any = self.read
        addresses: list[Amaranth] = [read.base]
        for u in range(1, groups):
            following = (addresses[-1] + read.stride)[: len(self.address)]
            if self.shifts:
                following = self._within(addresses[-1], read.stride)
            addresses.append(wire(m, following, f"{side}_address{u}"))
        below: list[Amaranth] = []
        if self.shifts:
            below = [
                wire(m, self._within(address, read.down), f"{side}_below{u}")
                for u, address in enumerate(addresses)
            ]
        # squares[s][i][j]: what group s puts out.
        squares: list[list[list[Amaranth]]] = []
        for s in range(groups):
            squares.append([])
            # The part of each of the beat's words, and the read's position, that is in this group.
            parts = [
                _turned(self.turn, [word[u * short :][:short] for u in range(groups)], s)
                for word in (given[k * layout.long :] for k in range(layout.parts))
            ]
            address = _turned(read.turn, [[one] for one in addresses], s)[0]
            lower: Amaranth = Const(0)
            if self.shifts:
                # The squares below are each a group further.
                lower = _turned(read.turn, [[one] for one in below], s - 1)[0]
            for i in range(short):
                here = self.write & self.groups[s]
                if short > 1:
                    here &= self.row == i
                # The last row of a square is never above where a block begins.
                lowered = self.shifts and i < short - 1
                at = Mux(read.row > i, lower, address) if lowered else address
                rows = []
                for k, part in enumerate(parts):
                    name = f"{s}_{i}" + (f"_{k}" if layout.parts > 1 else "")
                    bank = memory.Memory(
                        shape=unsigned(short * self.width),
                        depth=p.pages * layout.words // layout.parts,
                        init=[],
                    )
                    m.submodules[f"{side}{name}"] = bank
                    write: Any = bank.write_port()
                    port: Any = bank.read_port(domain="sync")
                    m.d.comb += [
                        write.addr.eq(self.address[part_bits:]),
                        write.data.eq(Cat(*part)),
                        write.en.eq(here & self.words[k]),
                        port.addr.eq(at[part_bits:]),
                        port.en.eq(1),
                    ]
                    row = Signal(
                        short * self.width,
                        name=f"{side}_word{name}",
                        reset_less=True,
                        attrs={"stage": f"{side}_word"},
                    )
                    m.d.sync += row.eq(port.data)
                    rows.append(row)
                row = self._chosen(m, rows, at[:part_bits], f"{s}_{i}")
                squares[s].append([row[j * self.width :][: self.width] for j in range(short)])

        along, turn = read.along, read.turn
        first = read.row if self.shifts else Const(0, 0)
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
