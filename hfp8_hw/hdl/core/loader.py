"""Takes an operand from a stream into its scratchpad, a word a clock."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal

from ...jobs import MAX_SIZE
from ..numbers.shape import Amaranth


@dataclass(frozen=True)
class Load:
    """What a loader does, and what it has found out at its end.

    Members
    -------
    busy : 1 bit
    ready : 1 bit, whether it takes the stream's word
    write : (one bit a bank, address within a half, word), for `scratchpad`
    tiles : the number of the last tile
    edge : the number of the last vector in it
    """

    busy: Amaranth
    ready: Amaranth
    write: tuple[Amaranth, Amaranth, Amaranth]
    tiles: Amaranth
    edge: Amaranth


def loader(
    m: Module, name: str, banks: int, lanes: int, width: int, half: int,
    start: Amaranth, vectors: Amaranth, k: Amaranth, valid: Amaranth, word: Amaranth,
) -> Load:  # fmt: skip
    """Add a loader to ``m``.

    Vectors, rows of A or columns of B, come one after the other, each in ceil(k / lanes) words of
    ``lanes`` codes. Vector v goes to bank v mod ``banks``. Lanes beyond k become +0 in both
    operands, which adds nothing to any sum and sets no flag.
    """
    busy = Signal(name=f"{name}_busy")
    address, base = (Signal(range(half), name=f"{name}_{n}") for n in ("address", "base"))
    bank = Signal(range(banks), name=f"{name}_bank")
    tiles = Signal(range(half), name=f"{name}_tiles")
    left = Signal(range(MAX_SIZE + 1), name=f"{name}_left")
    vector = Signal(range(MAX_SIZE + 1), name=f"{name}_vector")
    length = Signal(range(MAX_SIZE + 1), name=f"{name}_length")
    take = Signal(name=f"{name}_take")
    ending = Signal(name=f"{name}_ending")
    m.d.comb += [take.eq(busy & valid), ending.eq(left <= lanes)]
    with m.If(start):
        m.d.sync += [
            busy.eq(1), address.eq(0), base.eq(0), bank.eq(0), tiles.eq(0),
            left.eq(k), length.eq(k), vector.eq(vectors),
        ]  # fmt: skip
    with m.Elif(take):
        m.d.sync += [address.eq(address + 1), left.eq(left - lanes)]
        with m.If(ending):
            m.d.sync += [left.eq(length), vector.eq(vector - 1)]
            with m.If(vector == 1):
                m.d.sync += busy.eq(0)
            with m.Elif(bank == banks - 1):
                m.d.sync += [bank.eq(0), base.eq(address + 1), tiles.eq(tiles + 1)]
            with m.Else():
                m.d.sync += [bank.eq(bank + 1), address.eq(base)]
    inside = [left > n for n in range(lanes)]
    masked = Cat(
        Mux(here, word[n * width : (n + 1) * width], 0)[:width] for n, here in enumerate(inside)
    )
    chosen = Cat(take & (bank == n) for n in range(banks))
    return Load(busy, busy, (chosen, address, masked), tiles, bank)
