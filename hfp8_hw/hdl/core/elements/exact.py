"""An element that sums in fixed point."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ....parameters.mac import MacParameters
from ...numbers.pipeline import Pipeline, registered_cuts
from ...numbers.raw import any_of
from ...numbers.shape import Amaranth
from ...sums.exact_products import summed_products
from ...sums.fixed_sum import Item, fixed_sum, sum_cuts
from ...sums.scaled import Scaled
from .operands import finished, operand_in, operand_layout, own_operands

_NOTES = ("nan", "invalid", "plus_inf", "minus_inf", "zero_sign")


def exact_cuts(p: CoreParameters) -> tuple[str, ...]:
    """The cuts between an element's operands and its sum."""
    levels = (p.lanes - 1).bit_length()
    dsp = p.align == "dsp"
    return (
        *registered_cuts(p.stages - 2, ("product",) if dsp else ("shift", "product")),
        *(f"tree{k}" for k in range(levels)),
        *sum_cuts(1),
    )


class ExactElement(wiring.Component):
    """Sums ``lanes`` products a clock; no clock ever stops it.

    Members
    -------
    valid, first, last : 1 bit, of the products
    a, b : ``lanes`` operands, as `operand_layout` says
        With ``align=dsp`` at the same time as ``valid``, else a clock before.
    there : 1 bit, with convolutions
        With a 0, b is +0 in all lanes, and nothing is added.
    beside : `finished`, of the element whose results leave behind this one's
    o : `finished`
        The sum, ``len(exact_cuts(p)) + 1`` clocks after the last products; ``beside`` as it was
        a clock ago in every other clock.
    """

    def __init__(self, parameters: CoreParameters, a: Scaled, b: Scaled) -> None:
        self.parameters, self._templates = parameters, (a, b)
        lanes, done = parameters.lanes, finished(parameters)
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                **({"there": In(1)} if parameters.convolution == "yes" else {}),
                "a": In(data.ArrayLayout(operand_layout(a), lanes)),
                "b": In(data.ArrayLayout(operand_layout(b), lanes)),
                "beside": In(done),
                "o": Out(done),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        unit: MacParameters = p.element
        a, b = self._templates
        ports: list[Any] = [self.a, self.b]
        if p.align != "dsp":
            ports = own_operands(m, ports)
        pairs = [
            (operand_in(a, ports[0][lane]), operand_in(b, ports[1][lane]))
            for lane in range(p.lanes)
        ]
        if p.convolution == "yes":
            pairs = [(a.through(self._hidden), b) for a, b in pairs]
        pipe = Pipeline(m, self.valid, exact_cuts(p), own=("valid", "first", "last"))
        pipe.carried = {"first": self.first, "last": self.last}
        m.d.comb += pipe.ready.eq(1)
        addend = summed_products(m, pipe, pairs, unit, self._notes)
        carried, pipe.carried = pipe.carried, {}
        first, last = carried.pop("first"), carried.pop("last")
        item = Item(addend, first, last, carried, {})
        end, total, notes = fixed_sum(m, pipe, item, None, unit.fixed.width, 1)
        out: Any = Signal(finished(p), name="leaving", reset_less=True, attrs={"stage": "leaving"})
        m.d.sync += out.eq(self.beside)
        with m.If(pipe.valid & end):
            m.d.sync += out.total.eq(total)
            for name in out.shape().members:
                if name != "total":
                    m.d.sync += out[name].eq(notes.get(name, Const(0, 1)))
        m.d.comb += self.o.eq(out)
        return m

    def _hidden(self, name: str, value: Amaranth) -> Amaranth:
        """A field of an operand which does not matter beside +0 if it is not there."""
        return value & self.there if name in ("nan", "inf", "sign") else value

    def _notes(self, products: list[Scaled]) -> dict[str, Amaranth]:
        """The sign of a sum that is zero, where that depends on the products."""
        if self.parameters.element.rounding_mode.mode != "RDN":
            return {}
        return {"zero_sign": any_of(*(t.sign | ~any_of(t.zero, t.sig == 0) for t in products))}


def notes_of(view: Any) -> dict[str, Amaranth]:
    """The notes of a `finished` sum by name, those that it does not have as constants."""
    members = view.shape().members
    return {name: Value.cast(view[name]) if name in members else Const(0, 1) for name in _NOTES}
