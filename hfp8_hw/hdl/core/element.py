"""One element of the array: an exact sum of products, which moves when all the others do."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Signal, Value, unsigned
from amaranth.lib import data

from ...parameters import MacParameters
from ..numbers.pipeline import Pipeline
from ..numbers.shape import Amaranth
from ..numbers.stream_unit import lane_tags, two_operand_fields
from ..sums.exact_products import exact_cuts, exact_products, sum_notes
from ..sums.fixed_sum import Item, fixed_sum


@dataclass(frozen=True)
class Step:
    """What all elements are told at once.

    Members
    -------
    move : 1 bit, whether the array moves; while it does not, everything stays as it is
    valid : 1 bit, whether there are operands
    first, last : 1 bit, whether they start or end a sum
    mode_a, mode_b : 1 bit, which of its two formats an operand in HFP8 has
    """

    move: Amaranth
    valid: Amaranth
    first: Amaranth
    last: Amaranth
    mode_a: Amaranth
    mode_b: Amaranth


def element(
    m: Module, p: MacParameters, step: Step, a: Amaranth, b: Amaranth
) -> tuple[Amaranth, dict[str, Amaranth]]:
    """Add an element to ``m``, a module of its own, so that its control registers are its own.

    ``a`` and ``b`` hold the codes of all lanes, lane 0 lowest. Returns the sum with the operands
    that have come to its end, and the notes that go with it; see `fixed_sum`.
    """
    fields = two_operand_fields(p) | {"first": unsigned(1), "last": unsigned(1)}
    payload = Signal(data.StructLayout(fields), name="operands")
    for name, word, width in (("a", a, p.a_formats[0].width), ("b", b, p.b_formats[0].width)):
        for k, tag in enumerate(lane_tags(p)):
            code = payload[f"{name}{tag}"]
            m.d.comb += Value.cast(code).eq(word[k * width : (k + 1) * width])
    for name in ("first", "last", "mode_a", "mode_b"):
        if name in fields:
            m.d.comb += payload[name].eq(getattr(step, name))
    pipe = Pipeline(m, step.valid, exact_cuts(p))
    m.d.comb += pipe.ready.eq(step.move)
    addend = exact_products(m, pipe, payload, p, sum_notes(p))
    notes, pipe.carried = pipe.carried, {}
    first, last = notes.pop("first"), notes.pop("last")
    _, total, extra = fixed_sum(
        m, pipe, Item(addend, first, last, notes, {}), None, p.fixed.width, p.segments
    )
    return total, extra
