"""A random number generator for stochastic rounding."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal

from .raw import wire
from .shape import Amaranth


def _step(word: int) -> int:
    word ^= word << 13 & 0xFFFFFFFF
    word ^= word >> 17
    return word ^ (word << 5 & 0xFFFFFFFF)


def xorshift32(m: Module, advance: Amaranth, seed: int) -> Amaranth:
    """Marsaglia's 32-bit xorshift generator (13, 17, 5): a word, the next after ``advance``.

    Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003, section 3. Reset
    starts again from the first word of the seed.
    """
    word = Signal(32, init=_step(seed), name="random_word")
    mixed = wire(m, word ^ Cat(Const(0, 13), word[:-13]), "random_13")
    mixed = wire(m, mixed ^ Cat(mixed[17:], Const(0, 17)), "random_17")
    with m.If(advance):
        m.d.sync += word.eq(mixed ^ Cat(Const(0, 5), mixed[:-5]))
    return word
