"""An element that rounds with each product; several sums take turns in it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.add import add
from ...numbers.multiply import multiply
from ...numbers.pipeline import OWN, Pipeline, prefixed, registered_cuts
from ...numbers.raw import Raw, any_of, is_const, with_offset
from ...numbers.round import Rounder
from ...sums.held_code import held_number, held_widths, nothing_unless, zero_if
from ...sums.ring import RING_CUTS, Ring
from .operands import finished, operand_in, operand_layout, own_operands


def rounded_cuts(p: CoreParameters) -> tuple[str, ...]:
    """The cuts between an element's operands and what leaves it: from the second on a turn of the
    loop, then a clock to write the sum into the memory, and one to read it."""
    return ("product", *(f"loop{k}" for k in range(p.turns)), "written", "read")


class RoundedElement(wiring.Component):
    """Adds a product a clock to one of ``turns`` sums, in turn; no clock ever stops it.

    All sums of a chunk come to their ends within ``turns`` clocks. They wait in a memory, from
    which one after another is put where it leaves.

    Members
    -------
    valid, first : 1 bit, of the product
    a, b : an operand, as `operand_layout` says, a clock before
    end : 1 bit; with ``turn``
        ``turns`` clocks after its operands: that product is the last of a chunk.
    load : 1 bit; with ``leave``
        A clock after that turn's ``end`` or later: its sum is to leave.
    beside : `finished`, of the element whose results leave behind this one's
    o : `finished`
        The sum, 3 clocks after ``load``; ``beside`` as it was a clock ago in every other clock.
    """

    def __init__(self, parameters: CoreParameters, a: Raw, b: Raw) -> None:
        self.parameters, self._templates = parameters, (a, b)
        done, turn = finished(parameters), unsigned((parameters.turns - 1).bit_length())
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "end": In(1),
                "turn": In(turn),
                "load": In(1),
                "leave": In(turn),
                "a": In(operand_layout(a)),
                "b": In(operand_layout(b)),
                "beside": In(done),
                "o": Out(done),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        state = self._sums(m)
        depth = max(p.turns, 2)
        bank = memory.Memory(shape=unsigned(p.acc_format.width + 4), depth=depth, init=[])
        m.submodules.ended = bank
        write: Any = bank.write_port()
        port: Any = bank.read_port(domain="sync")

        def own(name: str, value: Any) -> Any:
            if not len(value):
                return value
            held = Signal(
                value.shape(), name=name, reset_less=True, attrs={"stage": "ending", **OWN}
            )
            m.d.sync += held.eq(value)
            return held

        m.d.comb += [
            write.en.eq(own("end", self.end)),
            write.addr.eq(own("end_turn", self.turn)),
            write.data.eq(Cat(state["code"], state["seen"])),
            port.en.eq(1),
            port.addr.eq(own("leave", self.leave)),
        ]
        load = own("load", own("reading", self.load))
        out: Any = Signal(finished(p), name="leaving", reset_less=True, attrs={"stage": "leaving"})
        m.d.sync += out.as_value().eq(Mux(load, port.data, self.beside.as_value()))
        m.d.comb += self.o.eq(out)
        return m

    def _sums(self, m: Module) -> dict[str, Signal]:
        """The product and the loop; its last registers, which have the sum ``turns`` clocks after
        the product."""
        p, fmt = self.parameters, self.parameters.acc_format
        x, y = (
            operand_in(template, view)
            for template, view in zip(
                self._templates, own_operands(m, [self.a, self.b]), strict=True
            )
        )
        pipe = Pipeline(m, self.valid, ("product",), own=("valid", "first"))
        pipe.carried = {"first": self.first}
        m.d.comb += pipe.ready.eq(1)
        product, invalid = multiply(m, x, y, "p")
        product = with_offset(m, product, fmt.bias, "p")
        cut = pipe.cut("product")
        product, invalid = product.through(prefixed(cut, "p_")), cut("invalid", invalid)
        first, valid = pipe.carried["first"], pipe.valid

        state = {
            name: Signal(width, name=f"sum_{name}", reset_less=True, attrs={"stage": "sum"})
            for name, width in {**held_widths(fmt, "code"), "seen": 4}.items()
        }
        augend = zero_if(m, first, held_number(m, state, "code", fmt), "x")
        addend = nothing_unless(m, valid, product, augend.sign, "y")
        ring = Ring(m, Const(1, 1), registered_cuts(p.turns - 1, RING_CUTS), ())
        ring.carried = {
            "seen": Mux(first, 0, state["seen"]),
            "bad": invalid if is_const(invalid) else invalid & valid,
        }
        total = add(
            m, augend, addend, p.element.rounding_mode, "sum", cut=ring.cut,
            precision=fmt.man_bits + 1, lsb=product.low - len(product.sig) + 1,
        )  # fmt: skip
        bad = any_of(total.invalid, ring.carried["bad"])
        rounder = Rounder(fmt, p.element.rounding_mode, p.element.overflow)
        rounded = rounder.build(m, total.raw, name="y", invalid=bad, cut=ring.cut)
        ring.close(
            state,
            {
                "code": rounded.code,
                "code_nan": rounded.nan,
                "code_zero": rounded.zero,
                "seen": ring.carried["seen"] | rounded.flags,
            },
        )
        return state
