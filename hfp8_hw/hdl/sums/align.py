"""Products set on the fixed-point grid, for a few LUTs a bit.

A product of w bits goes to any of ``span`` places in two steps: a shift by less than a word
(2**k >= w - 1 bits), then each word of the sum takes the low part of the shifted product, its
high part, or a fill. A negative product is inverted before the first step, where the XOR shares
the shifter's LUTs; with the fill inverted too, a carry into the sum's lowest bit completes the
two's complement. So a bit of the sum costs one LUT of four inputs beside its carry cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux

from ...fixed import FixedPoint, Scale
from ..numbers.raw import wire
from ..numbers.shape import Amaranth
from .scaled import Scaled


@dataclass(frozen=True)
class Coarse:
    """A product after the first step.

    Members
    -------
    parts : two words: the product, inverted if negative
    some, which : one bit a word of the sum
        ``some``: the word takes the low (``which`` = 1) or the high part (0); else all its bits
        are ``which``.
    carry : 1 bit
        What to add at the lowest bit.
    """

    parts: Amaranth
    some: Amaranth
    which: Amaranth
    carry: Amaranth

    def through(self, cut: Callable[[str, Amaranth], Amaranth]) -> Coarse:
        """The same with every signal passed through ``cut(name, signal)``."""
        names = ("parts", "some", "which", "carry")
        return replace(self, **{name: cut(name, getattr(self, name)) for name in names})


def word_bits(width: int) -> int:
    """Bits of a word for products of ``width`` bits: the low and the high part are enough."""
    return 1 << max(1, (width - 2).bit_length())


def shift_within_word(m: Module, term: Scaled, fixed: FixedPoint, name: str) -> Coarse:
    """The first step: the shift by less than a word, and where each word takes its bits from."""
    word = word_bits(len(term.sig))
    steps = word.bit_length() - 1
    negative = term.sign & ~term.zero
    parts = wire(m, term.sig ^ term.sign.replicate(len(term.sig)), f"{name}_inverted")
    for k in range(min(steps, len(term.shift))):
        by = 1 << k
        fill = term.sign.replicate(by)
        parts = wire(m, Mux(term.shift[k], Cat(fill, parts), Cat(parts, fill)), f"{name}_by{by}")
    parts = Cat(parts, term.sign.replicate(2 * word - len(parts)))
    place = term.shift[steps:]
    words = -(-(fixed.reach + fixed.position) // word)
    some, which = [], []
    for k in range(words):
        low, high = _is(place, k), _is(place, k - 1)
        some.append((low | high) & ~term.zero)
        which.append(Mux(some[-1], low, negative))
    return Coarse(
        wire(m, parts[: 2 * word], f"{name}_parts"),
        wire(m, Cat(*some), f"{name}_some"),
        wire(m, Cat(*which), f"{name}_which"),
        wire(m, negative, f"{name}_negative"),
    )


def _is(place: Amaranth, number: int) -> Amaranth:
    """Whether ``place``, of any width, is ``number``."""
    if not 0 <= number < 1 << len(place):
        return Const(0, 1)
    return place == number if len(place) else Const(1, 1)


def place_words(m: Module, coarse: Coarse, fixed: FixedPoint, width: int, name: str) -> Amaranth:
    """The second step: ``width`` bits of two's complement that lack ``carry`` at the lowest."""
    word = len(coarse.parts) // 2
    offset = fixed.position
    bits = []
    for position in range(offset, offset + width):
        k, j = divmod(position, word)
        if position >= fixed.reach + offset or k >= len(coarse.some):
            bits.append(coarse.carry)
            continue
        taken = Mux(coarse.which[k], coarse.parts[j], coarse.parts[word + j])
        bits.append(Mux(coarse.some[k], taken, coarse.which[k]))
    return wire(m, Cat(*bits), f"{name}_addend")


def shifted_within_word(m: Module, x: Scaled, name: str) -> Scaled:
    """The number with its significand shifted by less than a word, ``shift`` counting words."""
    steps = word_bits(len(x.sig)).bit_length() - 1
    width = len(x.sig) + (1 << steps) - 1
    shifted = (x.sig << x.shift[:steps])[:width]
    # Formats of few exponents have shifts of fewer bits than a word's.
    shifted = Cat(shifted, Const(0, width - len(shifted)))
    sig = wire(m, shifted, f"{name}_fine")
    return replace(x, sig=sig, shift=x.shift[steps:], unit=0)


def shifted_by_word(m: Module, x: Scaled, scale: Scale, name: str) -> Scaled:
    """What `shifted_within_word` gave with one bit more of the shift done: words are twice."""
    if not len(x.shift):
        return x
    word = len(x.sig) - scale.bits + 1
    sig = _at_one_of(m, x.sig, x.shift[0], range(2), word, f"{name}_half")
    sig = wire(m, sig[: len(x.sig) + word], f"{name}_half")
    return replace(x, sig=sig, shift=x.shift[1:])


def in_fixed_point(m: Module, x: Scaled, scale: Scale, name: str) -> Scaled:
    """What `shifted_by_word` gave with all of the shift done: ``sig`` on the operand's grid."""
    word = len(x.sig) - scale.bits + 1
    places = range(scale.low // word, -(-(scale.high + 1) // word))
    sig = _at_one_of(m, x.sig, x.shift, places, word, name)
    sig = sig[scale.low + scale.tail : scale.high + scale.bits]
    return replace(x, sig=wire(m, sig, f"{name}_fixed"), shift=Const(0, 1))


def _at_one_of(
    m: Module, sig: Amaranth, place: Amaranth, places: range, word: int, name: str
) -> Amaranth:
    """``sig``, of less than two words, at word ``place``, which is one of ``places``.

    Bits that come from one place only are written as a word or nothing, so that behind a
    register its reset does it, without a LUT a bit.
    """
    high = len(sig) - word
    here = {k: wire(m, _is(place, k), f"{name}_at{k}") for k in places}

    def part(k: int, start: int, stop: int) -> Amaranth:
        bits = sig[start:stop]
        return Mux(here[k], bits, Const(0, len(bits))) if k in here else Const(0, len(bits))

    bits: list[Amaranth] = []
    for k in range(places[-1] + 2):
        # The low part's bits that share their place with the high part of the word below.
        bits += [part(k, 0, high) | part(k - 1, word, len(sig)), part(k, high, word)]
    return Cat(*bits)
