"""A core behind streams of records and a simple bus of registers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, ResetInserter, Value
from amaranth.lib.wiring import In

from ...records import record
from ...registers import ADDRESS_BITS
from ..core.axi.axi_core import AxiCore
from .target import Target

_RESULT = ("tdata", "tkeep", "tuser", "tlast")


class CoreTarget(Target):
    """A core: stream 0 is A, 1 is B, 2 is C; a record is a beat.

    Beats narrower than the widest stream's are at the low end of their records. A result has the
    fields of ``m_axis``: ``tdata``, ``tkeep``, ``tuser``, ``tlast``.
    """

    def __init__(self, core: AxiCore) -> None:
        self.core = core
        self.sides = [
            name.removesuffix("_tvalid")
            for name, member in core.signature.members.items()
            if name.startswith("s_axis_") and name.endswith("_tvalid") and member.flow is In
        ]
        widths = {name: len(Value.cast(getattr(core, f"{name}_tdata"))) for name in self.sides}
        self.results = record(
            (name, len(Value.cast(getattr(core, f"m_axis_{name}")))) for name in _RESULT
        )
        item = max(-(-width // 8) for width in widths.values())
        super().__init__(len(self.sides), item, self.results.size)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        core: Any = self.core
        m.submodules.core = ResetInserter(self.clear)(core)
        with m.Switch(self.select):
            for number, side in enumerate(self.sides):
                with m.Case(number):
                    m.d.comb += [
                        getattr(core, f"{side}_tvalid").eq(self.i_valid),
                        self.i_ready.eq(getattr(core, f"{side}_tready")),
                    ]
        for side in self.sides:
            data = getattr(core, f"{side}_tdata")
            m.d.comb += [
                data.eq(self.i_data[: len(Value.cast(data))]),
                getattr(core, f"{side}_tlast").eq(self.last),
            ]
        parts: list[Any] = []
        for field in self.results.fields:
            parts += [getattr(core, f"m_axis_{field.name}"),
                      Const(0, 8 * field.bytes - field.width)]  # fmt: skip
        m.d.comb += [
            self.o_data.eq(Cat(*parts)),
            self.o_valid.eq(core.m_axis_tvalid),
            core.m_axis_tready.eq(self.o_ready),
        ]
        self._registers(m, core)
        return m

    def _registers(self, m: Module, core: Any) -> None:
        """One access at a time."""
        m.d.comb += [
            core.s_axi_awaddr.eq(self.address), core.s_axi_araddr.eq(self.address),
            core.s_axi_wdata.eq(self.w_data), core.s_axi_wstrb.eq(0xF),
            self.r_data.eq(core.s_axi_rdata),
        ]  # fmt: skip
        with m.FSM(name="access"):
            with m.State("ask"):
                with m.If(self.address[ADDRESS_BITS:].any()):
                    m.d.comb += [self.acknowledge.eq(self.write | self.read), self.refused.eq(1)]
                with m.Elif(self.write):
                    m.d.comb += [core.s_axi_awvalid.eq(1), core.s_axi_wvalid.eq(1)]
                    with m.If(core.s_axi_awready & core.s_axi_wready):
                        m.next = "written"
                with m.Elif(self.read):
                    m.d.comb += core.s_axi_arvalid.eq(1)
                    with m.If(core.s_axi_arready):
                        m.next = "read"
            with m.State("written"):
                m.d.comb += core.s_axi_bready.eq(1)
                with m.If(core.s_axi_bvalid):
                    m.d.comb += [self.acknowledge.eq(1), self.refused.eq(core.s_axi_bresp != 0)]
                    m.next = "ask"
            with m.State("read"):
                m.d.comb += core.s_axi_rready.eq(1)
                with m.If(core.s_axi_rvalid):
                    m.d.comb += [self.acknowledge.eq(1), self.refused.eq(core.s_axi_rresp != 0)]
                    m.next = "ask"
