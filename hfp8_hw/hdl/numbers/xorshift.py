"""A random number generator for stochastic rounding."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal

from .raw import wire
from .shape import Amaranth


def _step(word: int) -> int:
    word ^= word << 13 & 0xFFFFFFFF
    word ^= word >> 17
    return word ^ (word << 5 & 0xFFFFFFFF)


def lane_seeds(seed: int, lanes: int, jump: int = 1 << 26) -> list[int]:
    """Seeds whose sequences are parts of one, ``jump`` words apart.

    A step is linear, so that the image of a word is the XOR of its bits' images.
    """
    images = [_step(1 << k) for k in range(32)]

    def apply(linear: list[int], word: int) -> int:
        result = 0
        for k, image in enumerate(linear):
            if word >> k & 1:
                result ^= image
        return result

    for _ in range(jump.bit_length() - 1):
        images = [apply(images, image) for image in images]
    seeds = [seed]
    for _ in range(lanes - 1):
        seeds.append(apply(images, seeds[-1]))
    return seeds


def xorshift32(m: Module, advance: Amaranth, seed: int, name: str = "random") -> Amaranth:
    """Marsaglia's 32-bit xorshift generator (13, 17, 5): a word, the next after ``advance``.

    Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003, section 3. Reset
    starts again from the first word of the seed.
    """
    word = Signal(32, init=_step(seed), name=f"{name}_word", attrs={"stage": "random"})
    mixed = wire(m, word ^ Cat(Const(0, 13), word[:-13]), f"{name}_13")
    mixed = wire(m, mixed ^ Cat(mixed[17:], Const(0, 17)), f"{name}_17")
    with m.If(advance):
        m.d.sync += word.eq(mixed ^ Cat(Const(0, 5), mixed[:-5]))
    return word
