"""Bit-serial normalising: a stream of bits, lowest first, to a significand with its sticky bit.

Normalising by a shifter costs a LUT a bit and level. Where a result is due only once in many
clocks there is a cheaper way: let the number pass by, lowest bit first, through a short history,
and whenever a 1 passes take a snapshot of the history and the position. The last snapshot is the
normalised significand. Histories and snapshots are registers alone, without a LUT in front.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from ..numbers.raw import wire
from ..numbers.shape import Amaranth


class Snapshots:
    """Normalises a stream of bits, a few a clock.

    Parameters
    ----------
    m : Module
    clear, enable : 1 bit
        Start of a new number; whether there are bits in this clock.
    bits : 1 or more bits
        The next bits, a power of two of them.
    position : signed
        The exponent of the lowest of ``bits``.
    keep : int
        Bits to keep above the sticky bit.

    Members
    -------
    found : 1 bit, the number is not zero
    sig : ``keep`` bits, the top one set, and the sticky bit below them
    exp : exponent of the top bit
    """

    def __init__(
        self,
        m: Module,
        clear: Amaranth,
        enable: Amaranth,
        bits: Amaranth,
        position: Amaranth,
        keep: int,
        name: str,
    ) -> None:
        count = len(bits)
        history = Signal(keep - 1, name=f"{name}_history", attrs={"stage": name})
        lost = Signal(name=f"{name}_lost", attrs={"stage": name})
        taken = Signal(
            keep - 1 + count, name=f"{name}_taken", reset_less=True, attrs={"stage": name}
        )
        taken_lost = Signal(name=f"{name}_taken_lost", reset_less=True, attrs={"stage": name})
        where = Signal(
            position.shape(), name=f"{name}_where", reset_less=True, attrs={"stage": name}
        )
        self.found = Signal(name=f"{name}_found", attrs={"stage": name})
        window = Cat(history, bits)
        with m.If(enable):
            m.d.sync += [history.eq(window[count:]), lost.eq(lost | window[:count].any())]
            with m.If(bits.any()):
                m.d.sync += [taken.eq(window), taken_lost.eq(lost), where.eq(position)]
                m.d.sync += self.found.eq(1)
        with m.If(clear):
            m.d.sync += [history.eq(0), lost.eq(0), self.found.eq(0)]

        # The leading 1 is among the top `count` bits.
        sig: Amaranth = taken
        shift: list[Amaranth] = []
        step = count // 2
        while step:
            empty = wire(m, ~sig[-step:].any(), f"{name}_empty{step}")
            lower = Cat(Const(0, step), sig[:-step])
            sig = wire(m, Mux(empty, lower, sig), f"{name}_by{step}")
            shift.insert(0, ~empty)
            step //= 2
        sticky = taken_lost if count == 1 else taken_lost | sig[: count - 1].any()
        # The history is one bit shorter than `keep`: together with a new bit it is enough.
        self.sig = wire(m, Cat(sticky, sig[count - 1 :]), f"{name}_sig")
        self.exp = where if count == 1 else where + Cat(*shift)


def serial_add(
    m: Module, x: Amaranth, y: Amaranth, subtract: Amaranth, clear: Amaranth, name: str
) -> Amaranth:
    """The next bit of ``x + y`` or ``x - y``, bits lowest first; ``clear`` before the first."""
    carry = Signal(name=f"{name}_carry", attrs={"stage": name})
    lent = x ^ subtract
    m.d.sync += carry.eq(~clear & ((lent & y) | (carry & (lent | y))))
    return wire(m, x ^ y ^ carry, f"{name}_bit")


def serial_magnitude(
    m: Module, bits: Amaranth, negative: Amaranth, clear: Amaranth, enable: Amaranth, name: str
) -> Amaranth:
    """The next bits of ``-bits`` where ``negative``, lowest first; ``clear`` before the first."""
    passed = Signal(
        name=f"{name}_passed", attrs={"stage": name}
    )  # a 1 has passed: from here on bits are inverted
    out = []
    inverting: Amaranth = passed
    for bit in bits:
        out.append(bit ^ (negative & inverting))
        inverting = inverting | bit
    with m.If(enable):
        m.d.sync += passed.eq(inverting)
    with m.If(clear):
        m.d.sync += passed.eq(0)
    return wire(m, Cat(*out), f"{name}_magnitude")
