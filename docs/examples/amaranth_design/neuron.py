"""A neuron in Amaranth: a quantizer, a MAC and a ReLU, simulated against the golden model."""

from typing import Any

import numpy as np
from amaranth.hdl import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hfp8_hw import golden, hdl
from hfp8_hw.parameters import MacParameters, QuantizerParameters, ReluParameters

FORMAT = "HFP8_FWD"


class Neuron(wiring.Component):
    """relu(sum of x * w): binary32 in, DLFLOAT16 out, one pair a clock.

    ``first`` and ``last`` mark a sum's ends and travel with its items.
    """

    i: In(stream.Signature(StructLayout({"x": 32, "w": 32, "first": 1, "last": 1})))
    o: Out(stream.Signature(unsigned(16)))

    def elaborate(self, platform: object) -> Module:
        """Connect the units: a unit's streams are `i` and `o`, their payload's fields its ports."""
        m = Module()
        quantizer = hdl.create(QuantizerParameters(dst=FORMAT, lanes=2, stages=1))
        m.submodules.quantizer = quantizer
        m.submodules.mac = mac = hdl.create(MacParameters(a=FORMAT, b=FORMAT))
        m.submodules.relu = relu = hdl.create(ReluParameters())

        # The frame's two bits take the quantizer's one clock, too.
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [mac.i.p.first.eq(self.i.p.first), mac.i.p.last.eq(self.i.p.last)]
        m.d.comb += [
            quantizer.i.valid.eq(self.i.valid),
            self.i.ready.eq(quantizer.i.ready),
            quantizer.i.p.x0.as_value().eq(self.i.p.x),
            quantizer.i.p.x1.as_value().eq(self.i.p.w),
            mac.i.valid.eq(quantizer.o.valid),
            quantizer.o.ready.eq(mac.i.ready),
            mac.i.p.a.eq(quantizer.o.p.y0),
            mac.i.p.b.eq(quantizer.o.p.y1),
            relu.i.valid.eq(mac.o.valid),
            relu.i.p.x.eq(mac.o.p.y),
            mac.o.ready.eq(relu.i.ready),
            self.o.valid.eq(relu.o.valid),
            self.o.payload.eq(relu.o.p.y),
            relu.o.ready.eq(self.o.ready),
        ]
        return m


def simulate(x: np.ndarray, w: np.ndarray) -> list[int]:
    """The codes that come out for sums along the last axis."""
    dut, found = Neuron(), []
    items = [
        {"x": int(p), "w": int(q), "first": k == 0, "last": k == x.shape[1] - 1}
        for row_x, row_w in zip(x.view(np.uint32), w.view(np.uint32), strict=True)
        for k, (p, q) in enumerate(zip(row_x, row_w, strict=True))
    ]

    async def send(ctx: Any) -> None:
        for item in items:
            ctx.set(dut.i.payload, item)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def receive(ctx: Any) -> None:
        ctx.set(dut.o.ready, 1)
        while len(found) < len(x):
            (code,) = await ctx.tick().sample(dut.o.payload).until(dut.o.valid)
            found.append(code)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(send)
    simulator.add_testbench(receive)
    simulator.run()
    return found


def main() -> None:
    """Simulate eight sums of sixteen products."""
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((2, 8, 16), np.float32)
    codes_x, codes_w = golden.quantize(x, FORMAT), golden.quantize(w, FORMAT)
    sums = golden.dot(codes_x, codes_w, FORMAT, FORMAT, "DLFLOAT16")
    expected = golden.relu(sums, "DLFLOAT16")
    found = simulate(x, w)
    print("found   ", *(f"{code:04x}" for code in found))
    print("expected", *(f"{code:04x}" for code in expected))
    if found != expected.tolist():
        raise SystemExit("FAIL")
    print("PASS: 8 sums of 16 products")


if __name__ == "__main__":
    main()
