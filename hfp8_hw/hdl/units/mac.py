"""The multiply-accumulate unit with a floating-point accumulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Const, Module, Signal, unsigned

from ...parameters import MacParameters
from ..numbers.add import Sum, add
from ..numbers.pipeline import Pipeline, registered_cuts
from ..numbers.raw import Raw, any_of, is_const, wire
from ..numbers.round import Rounded, Rounder
from ..numbers.shape import Amaranth
from ..numbers.stream_unit import StreamUnit, result_fields, two_operand_fields
from ..sums.interleaved_sum import CONTROL, Slot
from ..sums.ring import RING_CUTS, Ring, turns
from .mul import product_stages


@dataclass(frozen=True)
class Term:
    """What an item adds to its sum.

    Members
    -------
    raw : Raw
    invalid, first, last : 1 bit
    lsb : int
        ``raw`` is a multiple of ``2**lsb``.
    clash : 1 bit
        Inf - Inf in it, which is invalid unless there is a NaN.
    pair : Sum or None
        The two that ``raw`` is the sum of, where it may have lost bits.
    """

    raw: Raw
    invalid: Amaranth
    first: Amaranth
    last: Amaranth
    lsb: int
    clash: Amaranth
    pair: Sum | None = None


class Mac(StreamUnit):
    """Sums products in a floating-point accumulator, an item a clock within a sum.

    Golden function: `hfp8_hw.golden.dot`. ``first`` starts a sum from +0 whatever came before,
    ``last`` ends it and outputs the result; the item after a ``last`` starts a sum by itself.
    ``fma`` rounds after every product, and its sums follow one another without a gap; ``chunked``
    adds up chunks of ``chunk`` products that way, and the chunk sums likewise, and may wait a
    clock after a chunk or sum: `MacParameters.sum_clocks`.

    With ``interleave`` L the loop has L registers, and L sums take turns: item t belongs to sum
    t mod L, counted from reset. ``first`` and ``last`` are the item's own sum's. An item that
    comes after a pause waits until its sum comes by. Results come in the order of the last items.

    There is one adder. It adds a chunk's sum to the total when the next chunk's first product
    comes, which goes to the second one's addition in its place. A product that ends a sum there
    waits for the next round, and so does every first one where products may need rounding.

    Latency from the ``last`` item: ``stages - 1 + interleave`` clocks, ``interleave`` more for
    ``chunked``, and up to ``interleave - 1`` more for an item that comes after a pause.

    Members
    -------
    i : stream of ``a``, ``b`` (codes), ``mode_a``, ``mode_b`` (for HFP8 operands), ``bias_a``,
        ``bias_b`` (``bias=runtime``), ``first``, ``last``
    o : stream of ``y`` (code of ``acc``), ``flags`` (overflow, underflow, inexact, invalid; each
        ORed over all roundings of the sum)
    """

    units: ClassVar[tuple[str, ...]] = ("mac",)
    semantics: ClassVar[tuple[str, ...]] = ("fma", "chunked")

    @property
    def _cuts(self) -> tuple[str, ...]:
        """Where the stages ahead of the loop are cut: most valuable first."""
        return ("product", "unpack", "input")

    def __init__(self, parameters: MacParameters) -> None:
        self.parameters = self.checked(parameters)
        inputs = two_operand_fields(parameters)
        inputs |= {"first": unsigned(1), "last": unsigned(1)}
        super().__init__(inputs, result_fields(parameters.acc_format))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages - 1, self._cuts))
        term = self._term(m, pipe)
        m.d.comb += self.i.ready.eq(pipe.ready)

        move = Signal(name="move")
        accept = Signal(name="accept")
        ring = Ring(m, move, registered_cuts(p.interleave - 1, RING_CUTS), CONTROL)
        turn: Amaranth = Const(1, 1)
        if p.interleave > 1:
            turn = wire(m, turns(m, move, accept, p.interleave), "turn")
        have = wire(m, pipe.valid & turn, "have")
        slot = Slot(m, p)
        taken, x, y = slot.next(m, have, term.first, term.last, term.raw, term.invalid)
        ready = wire(m, move & turn & taken, "ready")
        m.d.comb += accept.eq(pipe.valid & ready)
        pipe.finish(ready)
        ring.carried = {**slot.carried, **self._beside(m, x, term, have)}
        if not is_const(term.clash):
            ring.carried["clash"] = term.clash & have & ~x.nan
        precision = p.acc_format.man_bits + 1
        total = add(
            m, x, y, p.rounding_mode, "sum", cut=ring.cut, precision=precision, lsb=term.lsb
        )
        bad = any_of(total.invalid, *(ring.carried.pop(n, Const(0, 1)) for n in ("bad", "clash")))
        rounded = Rounder(p.acc_format, p.rounding_mode, p.overflow).build(
            m, self._mended(m, ring.carried, total.raw), name="y", invalid=bad, cut=ring.cut
        )
        rounded = self._flags_mended(ring.carried, rounded)
        ring.close(slot.state, slot.after(ring.carried, rounded))
        m.d.comb += [
            move.eq(~slot.state["final"] | self.o.ready),
            self.o.valid.eq(slot.state["final"]),
            self.o.payload.y.eq(slot.result),
            self.o.payload.flags.eq(slot.state["seen"]),
        ]
        return m

    def _term(self, m: Module, pipe: Pipeline) -> Term:
        """The stages ahead of the loop."""
        p = self.parameters
        product, invalid, frame = product_stages(
            m, pipe, self.i.payload, p, ("first", "last"), p.acc_format.bias
        )
        lsb = product.low - len(product.sig) + 1
        return Term(product, invalid, frame["first"], frame["last"], lsb, Const(0, 1))

    def _beside(self, m: Module, x: Raw, term: Term, have: Amaranth) -> dict[str, Amaranth]:
        """What goes along with the addition of a term to x."""
        return {}

    def _mended(self, m: Module, carried: dict[str, Amaranth], total: Raw) -> Raw:
        """The sum where the adder is not right."""
        return total

    def _flags_mended(self, carried: dict[str, Amaranth], rounded: Rounded) -> Rounded:
        """The flags where the sum is not exact although it looks so, and the other way round."""
        return rounded
