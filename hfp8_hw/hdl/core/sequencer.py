"""Walks through the tiles of a job: an address in each scratchpad every clock."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal

from ..numbers.shape import Amaranth


@dataclass(frozen=True)
class Walk:
    """Where a sequencer is.

    Members
    -------
    valid : 1 bit, whether it has operands to read
    a, b : addresses within a half
    first, last : 1 bit, of a tile's products
    rows, cols : the number of the last row and column of the tile that are part of C
    end : 1 bit, whether this ends the job
    """

    valid: Amaranth
    a: Amaranth
    b: Amaranth
    first: Amaranth
    last: Amaranth
    rows: Amaranth
    cols: Amaranth
    end: Amaranth


@dataclass(frozen=True)
class Extent:
    """A loaded job: the numbers of its last word, and of its last tile and the last vector in that,
    down and across."""

    words: Amaranth
    tiles: tuple[Amaranth, Amaranth]
    edges: tuple[Amaranth, Amaranth]


def sequencer(
    m: Module, rows: int, cols: int, half: int, valid: Amaranth, move: Amaranth, job: Extent
) -> Walk:
    """Add a sequencer to ``m``; for each tile down, all tiles across, each over the whole of k."""
    word, base_a, base_b, tile_a, tile_b = (
        Signal(range(half), name=f"walk_{n}")
        for n in ("word", "base_a", "base_b", "tile_a", "tile_b")
    )
    last = Signal(name="walk_last")
    last_a, last_b = Signal(name="walk_last_a"), Signal(name="walk_last_b")
    m.d.comb += [
        last.eq(word == job.words),
        last_a.eq(tile_a == job.tiles[0]),
        last_b.eq(tile_b == job.tiles[1]),
    ]
    with m.If(valid & move):
        m.d.sync += word.eq(word + 1)
        with m.If(last):
            m.d.sync += [word.eq(0), tile_b.eq(tile_b + 1), base_b.eq(base_b + job.words + 1)]
            with m.If(last_b):
                m.d.sync += [
                    tile_b.eq(0), base_b.eq(0),
                    tile_a.eq(tile_a + 1), base_a.eq(base_a + job.words + 1),
                ]  # fmt: skip
                with m.If(last_a):
                    m.d.sync += [tile_a.eq(0), base_a.eq(0)]
    return Walk(
        valid, base_a + word, base_b + word, word == 0, last,
        Mux(last_a, job.edges[0], rows - 1), Mux(last_b, job.edges[1], cols - 1),
        last & last_a & last_b,
    )  # fmt: skip
