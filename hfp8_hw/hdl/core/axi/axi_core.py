"""The core with AXI names: what is generated as Verilog."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...generated import Generated
from ...numbers.raw import any_of
from ..gemm_core import GemmCore
from ..records import addend_bits, operand_codes, result_bits
from .axi_lite import AXI_LITE
from .control import Control


class AxiCore(Generated):
    """`GemmCore` and its registers behind AXI ports.

    Members
    -------
    s_axi_* : AXI4-Lite
        The registers of `hfp8_hw.registers`.
    s_axis_a_*, s_axis_b_* : AXI4-Stream in
        Operands: a beat is a part of a stored row, one code a byte (or two).
    s_axis_c_* : AXI4-Stream in, with ``epilogue=full``
        Biases, and what C held before, ``drains`` codes a beat.
    m_axis_* : AXI4-Stream out
        Results: ``drains`` codes a beat; ``tkeep`` says which there are, ``tuser`` has four flags
        for each, ``tlast`` ends a job.
    irq : 1 bit
        Level: something that INTERRUPT_ENABLE names is pending.
    """

    units = ("core",)

    @classmethod
    def builds(cls, parameters: object) -> bool:
        return super().builds(parameters) and getattr(parameters, "ports", None) == "streams"

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        ports: dict[str, Any] = {f"s_axi_{name}": member for name, member in AXI_LITE.items()}
        for side, count, bits in self._inputs():
            ports |= {
                f"s_axis_{side}_tvalid": In(1),
                f"s_axis_{side}_tready": Out(1),
                f"s_axis_{side}_tdata": In(count * bits),
                f"s_axis_{side}_tlast": In(1),
            }
        bits = result_bits(p)
        ports |= {
            "m_axis_tvalid": Out(1),
            "m_axis_tready": In(1),
            "m_axis_tdata": Out(p.drains * bits),
            "m_axis_tkeep": Out(p.drains * bits // 8),
            "m_axis_tuser": Out(p.drains * 4),
            "m_axis_tlast": Out(1),
            "irq": Out(1),
        }
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        m.submodules.core = core = GemmCore(p)
        for side, _, _ in self._inputs():
            stream: Any = getattr(core, side)
            m.d.comb += [
                stream.valid.eq(getattr(self, f"s_axis_{side}_tvalid")),
                stream.payload.data.eq(getattr(self, f"s_axis_{side}_tdata")),
                stream.payload.last.eq(getattr(self, f"s_axis_{side}_tlast")),
                getattr(self, f"s_axis_{side}_tready").eq(stream.ready),
            ]
        y: Any = core.y
        keep = [y.payload.keep[k].replicate(result_bits(p) // 8) for k in range(p.drains)]
        flags = [Mux(y.valid & y.ready, y.payload.flags[4 * k :][:4], 0) for k in range(p.drains)]
        m.submodules.control = control = Control(p)
        for name, member in AXI_LITE.items():
            outer, inner = getattr(self, f"s_axi_{name}"), getattr(control, f"axi_{name}")
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        wiring.connect(m, control.job, core.job)
        m.d.comb += [
            self.m_axis_tvalid.eq(y.valid),
            y.ready.eq(self.m_axis_tready),
            self.m_axis_tdata.eq(y.payload.data),
            self.m_axis_tkeep.eq(Cat(*keep)),
            self.m_axis_tuser.eq(y.payload.flags),
            self.m_axis_tlast.eq(y.payload.last),
            control.events.eq(core.events),
            control.ended.eq(core.events.sent),
            self.irq.eq(control.interrupt),
            control.step_rows.eq(core.step_rows),
            control.step_cols.eq(core.step_cols),
            control.step_mask.eq(core.step_mask),
            control.flags.eq(any_of(*flags)),
        ]
        if p.epilogue != "none":
            m.d.comb += control.summary.eq(core.summary)
        return m

    def _inputs(self) -> list[tuple[str, int, int]]:
        """(name, codes of a beat, bits of each) of the input streams."""
        p = self.parameters
        sides = [(side, *operand_codes(p, side)) for side in ("a", "b")]
        return sides + ([("c", p.drains, addend_bits(p))] if p.epilogue == "full" else [])
