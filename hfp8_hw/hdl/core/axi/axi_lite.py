"""An AXI4-Lite port with a table of registers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ....registers import ADDRESS_BITS, Register
from ...numbers.raw import wire
from ...numbers.shape import Amaranth

OKAY, SLVERR = 0, 2

AXI_LITE: dict[str, Any] = {
    "awvalid": In(1), "awready": Out(1), "awaddr": In(ADDRESS_BITS), "awprot": In(3),
    "wvalid": In(1), "wready": Out(1), "wdata": In(32), "wstrb": In(4),
    "bvalid": Out(1), "bready": In(1), "bresp": Out(2),
    "arvalid": In(1), "arready": Out(1), "araddr": In(ADDRESS_BITS), "arprot": In(3),
    "rvalid": Out(1), "rready": In(1), "rdata": Out(32), "rresp": Out(2),
}  # fmt: skip
"""The port's signals, as a subordinate has them."""


class AxiLite(wiring.Component):
    """One write and one read at a time; an address without a register gives SLVERR.

    Parameters
    ----------
    registers : sequence of Register
        The table.

    Members
    -------
    awvalid ... rresp
        The port.
    value_NAME, next_NAME
        A register ``rw`` as it is, and any other as it reads.
    wrote_NAME : 1 bit
        It is written to in this clock; ``wdata`` has the word, ``wstrb`` its bytes.
    read_NAME : 1 bit
        It is read in this clock, the one after its address came.
    """

    def __init__(self, registers: Sequence[Register]) -> None:
        self.registers = registers
        members = dict(AXI_LITE)
        for one in registers:
            members[f"value_{one.name}"] = (Out if one.access == "rw" else In)(32)
            members[f"wrote_{one.name}"] = Out(1)
            members[f"read_{one.name}"] = Out(1)
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        held = {
            one.name: self._held(m, one) if one.access == "rw" else getattr(self, _value(one))
            for one in self.registers
        }

        bvalid, rvalid = (
            Signal(name=name, attrs={"stage": "axi"}) for name in ("b_held", "r_held")
        )
        bresp, rresp = (
            Signal(2, name=name, reset_less=True, attrs={"stage": "axi"})
            for name in ("b_resp", "r_resp")
        )
        rdata = Signal(32, name="r_data", reset_less=True, attrs={"stage": "axi"})
        writes = wire(m, self.awvalid & self.wvalid & (~bvalid | self.bready), "axi_writes")
        # A clock to find the register, one for its word.
        reading = Signal(name="r_reading", attrs={"stage": "axi"})
        reads = wire(m, self.arvalid & ~reading & (~rvalid | self.rready), "axi_reads")
        m.d.comb += [
            self.awready.eq(writes), self.wready.eq(writes), self.arready.eq(reads),
            self.bvalid.eq(bvalid), self.bresp.eq(bresp),
            self.rvalid.eq(rvalid), self.rresp.eq(rresp), self.rdata.eq(rdata),
        ]  # fmt: skip
        to = {one.name: self.awaddr[2:] == one.address >> 2 for one in self.registers}
        at = {
            name: Signal(name=f"r_at_{name.lower()}", reset_less=True, attrs={"stage": "axi"})
            for name in to
        }
        with m.If(reads):
            m.d.sync += [
                at[one.name].eq(self.araddr[2:] == one.address >> 2) for one in self.registers
            ]
        m.d.sync += reading.eq(reads)
        for one in self.registers:
            m.d.comb += [
                getattr(self, f"wrote_{one.name}").eq(writes & to[one.name]),
                getattr(self, f"read_{one.name}").eq(reading & at[one.name]),
            ]
        with m.If(self.bready):
            m.d.sync += bvalid.eq(0)
        with m.If(writes):
            m.d.sync += [bvalid.eq(1), bresp.eq(Mux(Cat(*to.values()).any(), OKAY, SLVERR))]
        with m.If(self.rready):
            m.d.sync += rvalid.eq(0)
        word: Amaranth = Const(0, 32)
        for one in self.registers:
            if one.access != "wo":
                word = word | Mux(at[one.name], held[one.name], 0)
        with m.If(reading):
            m.d.sync += [
                rvalid.eq(1),
                rdata.eq(word),
                rresp.eq(Mux(Cat(*at.values()).any(), OKAY, SLVERR)),
            ]
        return m

    def _held(self, m: Module, one: Register) -> Amaranth:
        """A register that keeps what is written, and its value as it reads."""
        bits: list[Amaranth] = [Const(0, 1)] * 32
        for field in one.fields:
            kept = Signal(
                field.width,
                name=f"{one.name.lower()}_{field.name}",
                attrs={"stage": "registers"},
            )
            low, end = field.low, field.low + field.width
            for byte in range(low // 8, -(-end // 8)):
                first, stop = max(low, 8 * byte), min(end, 8 * byte + 8)
                with m.If(getattr(self, f"wrote_{one.name}") & self.wstrb[byte]):
                    m.d.sync += kept[first - low : stop - low].eq(self.wdata[first:stop])
            bits[low:end] = [kept[k] for k in range(field.width)]
        value = Cat(*bits)
        m.d.comb += getattr(self, _value(one)).eq(value)
        return value


def _value(one: Register) -> str:
    return f"value_{one.name}"


def word(one: Register, values: Mapping[str, Amaranth]) -> Amaranth:
    """The word of a register with these fields."""
    bits: list[Amaranth] = [Const(0, 1)] * 32
    for field in one.fields:
        value = values[field.name]
        for k in range(min(field.width, len(value))):
            bits[field.low + k] = value[k]
    return Cat(*bits)
