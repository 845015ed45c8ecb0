"""The core with a port to memory: what is generated as Verilog with ``ports=memory``."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ....jobs import JobError
from ....parameters import CoreParameters
from ...generated import Generated
from ...numbers.raw import any_of
from ..axi.axi_lite import AXI_LITE
from ..axi.control import Control
from ..gemm_core import GemmCore
from ..records import addend_bits, operand_codes
from .bus import BUFFERABLE, INCR, axi_ports
from .dispatch import Dispatch
from .fetch import Fetch
from .read_channel import ReadChannel
from .store import Store


class MemoryCore(Generated):
    """`GemmCore` and its registers, with operands and results in memory.

    Members
    -------
    s_axi_* : AXI4-Lite
        The registers of `hfp8_hw.registers`.
    m_axi_* : AXI4
        A manager: bursts that increment, of whole words, none across a multiple of 4 KiB, all with
        ID 0.
    irq : 1 bit
        Level: something that INTERRUPT_ENABLE names is pending.
    """

    units = ("core",)

    @classmethod
    def builds(cls, parameters: object) -> bool:
        return super().builds(parameters) and getattr(parameters, "ports", None) == "memory"

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                **{f"s_axi_{name}": member for name, member in AXI_LITE.items()},
                **{f"m_axi_{name}": member for name, member in axi_ports(p).items()},
                "irq": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        m.submodules.core = core = GemmCore(p)
        m.submodules.control = control = Control(p)
        m.submodules.dispatch = dispatch = Dispatch(p)
        m.submodules.store = store = Store(p)
        for name, member in AXI_LITE.items():
            outer, inner = getattr(self, f"s_axi_{name}"), getattr(control, f"axi_{name}")
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        wiring.connect(m, control.job, dispatch.i)
        wiring.connect(m, dispatch.job, core.job)
        wiring.connect(m, dispatch.y, store.job)
        self._read(m, core, dispatch, control)
        self._write(m, core, store, control)
        taken: Any = core.events
        events: Any = control.events
        y: Any = core.y
        flags = [Mux(y.valid & y.ready, y.payload.flags[4 * k :][:4], 0) for k in range(p.drains)]
        unwritten = Signal(16, name="jobs_unwritten", attrs={"stage": "events"})
        m.d.sync += unwritten.eq(unwritten + taken.accepted - store.done)
        m.d.comb += [
            dispatch.accepted.eq(taken.accepted),
            dispatch.refused.eq(taken.refused),
            dispatch.row_beats_a.eq(core.row_beats_a),
            dispatch.row_beats_b.eq(core.row_beats_b),
            dispatch.map_rows.eq(core.map_rows),
            events.eq(taken),
            events.refused.eq(taken.refused | dispatch.lost),
            events.error.eq(Mux(dispatch.lost, int(JobError.ADDRESS), taken.error)),
            events.sent.eq(store.done),
            events.idle.eq(taken.idle & ~dispatch.i.valid & ~dispatch.busy & (unwritten == 0)),
            control.step_rows.eq(core.step_rows),
            control.step_cols.eq(core.step_cols),
            control.step_mask.eq(core.step_mask),
            control.flags.eq(any_of(*flags)),
            control.ended.eq(taken.sent),
            self.irq.eq(control.interrupt),
        ]
        if p.epilogue != "none":
            m.d.comb += control.summary.eq(core.summary)
        return m

    def _read(self, m: Module, core: GemmCore, dispatch: Dispatch, control: Control) -> None:
        """From memory to the streams of operands."""
        p = self.parameters
        shapes = {side: (*operand_codes(p, side), 1) for side in ("a", "b")}
        if p.epilogue == "full":
            shapes["c"] = (p.drains, addend_bits(p), p.drains)
        fetches = []
        for side, (count, bits, step) in shapes.items():
            fetch = Fetch(p, count * bits // 8, step, f"fetch_{side}")
            m.submodules[f"fetch_{side}"] = fetch
            wiring.connect(m, getattr(dispatch, side), fetch.i)
            wiring.connect(m, fetch.o, getattr(core, side))
            fetches.append(fetch)
        m.submodules.read = read = ReadChannel(p, len(fetches))
        read.connect(m, fetches, self.m_axi_rdata)
        self._address(m, "ar", read.ar)
        m.d.comb += [
            read.r_valid.eq(self.m_axi_rvalid),
            read.r_last.eq(self.m_axi_rlast),
            read.r_resp.eq(self.m_axi_rresp),
            self.m_axi_rready.eq(read.r_ready),
            control.read_fault.eq(read.fault),
        ]

    def _write(self, m: Module, core: GemmCore, store: Store, control: Control) -> None:
        """From the stream of results to memory."""
        y: Any = core.y
        i: Any = store.i
        w: Any = store.w
        taken: Any = core.events
        self._address(m, "aw", store.aw)
        m.d.comb += [
            i.valid.eq(y.valid),
            i.payload.data.eq(y.payload.data),
            i.payload.last.eq(y.payload.last),
            y.ready.eq(i.ready),
            store.silent_done.eq(taken.sent & ~(y.valid & y.ready)),
            self.m_axi_wdata.eq(w.payload.data),
            self.m_axi_wstrb.eq(w.payload.strb),
            self.m_axi_wlast.eq(w.payload.last),
            self.m_axi_wvalid.eq(w.valid),
            w.ready.eq(self.m_axi_wready),
            store.b_valid.eq(self.m_axi_bvalid),
            store.b_resp.eq(self.m_axi_bresp),
            self.m_axi_bready.eq(store.b_ready),
            control.write_fault.eq(store.fault),
        ]

    def _address(self, m: Module, channel: str, burst: Any) -> None:
        """A channel of addresses."""
        size = (self.parameters.bus // 8 - 1).bit_length()
        values = {
            "id": 0,
            "addr": burst.payload.address << size,
            "len": burst.payload.more,
            "size": size,
            "burst": INCR,
            "cache": BUFFERABLE,
            "prot": 0,
            "valid": burst.valid,
        }
        m.d.comb += [getattr(self, f"m_axi_{channel}{k}").eq(v) for k, v in values.items()]
        m.d.comb += burst.ready.eq(getattr(self, f"m_axi_{channel}ready"))
