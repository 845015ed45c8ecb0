"""A running sum in fixed point: one addition a clock, its carry chain cut where that is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed

from ..numbers.pipeline import Pipeline, Register
from ..numbers.raw import is_const, wire
from ..numbers.shape import Amaranth, add_with_carry


@dataclass(frozen=True)
class Addend:
    """What one clock adds: two's complement ``bits`` and ``carry`` at the lowest.

    With ``magnitude`` the bits are a magnitude and still to be inverted where ``carry`` is 1: the
    XOR is left to the adder, whose carry cells have an input free for it.
    """

    bits: Amaranth
    carry: Amaranth
    magnitude: bool = False

    @property
    def signed(self) -> Amaranth:
        """The bits, inverted if they still have to be."""
        if not self.magnitude:
            return self.bits.as_signed()
        return (Cat(self.bits, Const(0, 1)) ^ self.carry.replicate(len(self.bits) + 1)).as_signed()


def tree_level(
    m: Module, cut: Register, addends: list[Addend], width: int, level: int
) -> list[Addend]:
    """Register the addends and add them two by two, one bit wider but at most ``width`` bits.

    Each adder takes in one of its addends' carries and leaves the other.
    """
    sums = []
    for k in range(0, len(addends), 2):
        x, y = (
            replace(a, bits=cut(f"bits{k + n}", a.bits), carry=cut(f"carry{k + n}", a.carry))
            for n, a in enumerate(addends[k : k + 2])
        )
        size = min(len(x.signed) + 1, width)
        both = add_with_carry(x.signed, y.signed, x.carry)
        sums.append(Addend(wire(m, both[:size], f"tree{level}_{k // 2}"), y.carry))
    return sums


def sum_cuts(segments: int) -> list[str]:
    """The cuts that `fixed_sum` needs registered."""
    return ["place", *(f"carry{k}" for k in range(1, segments))]


@dataclass(frozen=True)
class Item:
    """An item about to be added.

    Members
    -------
    addend : Addend
    first, last : 1 bit
        It starts or ends a sum.
    notes : dict
        Single bits of the product that the number cannot hold, ORed over what is summed.
    config : dict
        Values of the item that go along.
    """

    addend: Addend
    first: Amaranth
    last: Amaranth
    notes: dict[str, Amaranth]
    config: dict[str, Amaranth]


def fixed_sum(
    m: Module, pipe: Pipeline, item: Item, chunk: int | None, width: int, segments: int
) -> tuple[Amaranth, Amaranth, dict[str, Amaranth]]:
    """Register the addend and add it to the sum, ``segments`` clocks later.

    A segment adds its bits one clock after the one below it, with the carry from a register. The
    sum is cleared at its end by the registers' reset, and before an item with ``first`` too,
    which is seen one stage ahead: that takes no logic in front of the adder. The counter of a
    chunk's items and the notes are cleared alike.

    Parameters
    ----------
    width : int
        Bits of the sum.
    chunk : int or None
        Also end what is summed after so many items.

    Returns
    -------
    end : 1 bit, the item is the last of a sum or chunk
    total : the sum with it
    extra : notes and config; with ``chunk`` also ``last``, and ``opening`` for a sum's first chunk
    """
    bits, carry = item.addend.bits, item.addend.carry
    fill = Const(0, 1) if item.addend.magnitude else bits[-1]
    bits, inverted = Cat(bits, fill.replicate(width - len(bits))), carry
    cuts = [width * k // segments for k in range(segments + 1)]
    done: Amaranth = Const(0, 0)
    first, last = item.first, item.last
    extra = {**item.notes, **item.config}
    end: Amaranth = last
    for k in range(segments):
        entering_first = pipe.valid & first
        stage = pipe.cut("place" if k == 0 else f"carry{k}")
        bits, carry, first = stage("bits", bits), stage("carry", carry), stage("first", first)
        if item.addend.magnitude:
            inverted = carry if k == 0 else stage("inverted", inverted)
        extra = {name: stage(name, value) for name, value in extra.items()}
        update = wire(m, pipe.ready & pipe.valid, f"sum{k}_update")
        clear = Signal(name=f"sum{k}_clear")
        if k == 0:
            end = last = stage("last", last)
            if chunk is not None:
                extra["last"] = last
                end, extra["opening"] = _count(m, chunk, first, last, clear, update)
            extra |= {name: _so_far(m, extra[name], clear, update, name) for name in item.notes}
        else:
            end, done = stage("end", end), stage("done", done)
        m.d.comb += clear.eq(pipe.ready & (entering_first | (pipe.valid & end)))
        size = cuts[k + 1] - cuts[k]
        running = Signal(size, name=f"sum{k}", attrs={"stage": "sum"})
        total = Signal(size + 1, name=f"sum{k}_next")
        part = bits[:size]
        if item.addend.magnitude:
            part = part ^ inverted.replicate(size)
        m.d.comb += total.eq(add_with_carry(running, part, carry))
        with m.If(clear):
            m.d.sync += running.eq(0)
        with m.Elif(update):
            m.d.sync += running.eq(total[:size])
        done = Cat(done, total[:size])
        bits, carry = bits[size:], total[size]
    return end, done, extra


def _count(
    m: Module, chunk: int, first: Amaranth, last: Amaranth, clear: Amaranth, update: Amaranth
) -> tuple[Amaranth, Amaranth]:
    """(end of the chunk, in a sum's first chunk)."""
    opening = Signal(init=1, name="opening", attrs={"stage": "sum"})
    now_opening = wire(m, first | opening, "now_opening")
    end: Amaranth = Const(1, 1)
    if chunk > 1:
        # Counts down to -1 at the chunk's last item, so that its end is one bit.
        left = Signal(
            signed((chunk - 1).bit_length() + 1),
            init=chunk - 2,
            name="left",
            attrs={"stage": "sum"},
        )
        end = wire(m, last | left[-1], "chunk_end")
        with m.If(clear):
            m.d.sync += left.eq(chunk - 2)
        with m.Elif(update):
            m.d.sync += left.eq(left - 1)
    with m.If(update):
        m.d.sync += opening.eq(Mux(end, last, now_opening))
    return end, now_opening


def _so_far(m: Module, flag: Amaranth, clear: Amaranth, update: Amaranth, name: str) -> Amaranth:
    """Whether ``flag`` was set in any item of the sum so far, this one included."""
    if is_const(flag):
        return flag
    seen = Signal(name=f"{name}_seen", attrs={"stage": "sum"})
    now = wire(m, flag | seen, f"{name}_now")
    with m.If(clear):
        m.d.sync += seen.eq(0)
    with m.Elif(update):
        m.d.sync += seen.eq(now)
    return now
