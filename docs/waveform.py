"""The picture docs/images/waveform.svg: a generated MAC, simulated, with one stall."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from amaranth.sim import Simulator

from hfp8_hw import golden, hdl
from hfp8_hw.parameters import MacParameters

sys.path.insert(0, str(Path(__file__).parent))
from svg import BLUE, INK, PALE, path, picture, text

FORMAT = "HFP8_FWD"
SUMS = (
    ((1.0, 2.0), (0.5, 3.0), (4.0, 0.25)),
    ((2.0, 2.0), (-1.0, 1.5), (1.0, 1.0), (3.0, 0.5)),
)
"""The sums' pairs; all are values of the format."""
STALLED = (6,)
"""The clocks in which the receiver is not ready."""
CLOCKS = 13
LEFT, WIDE, TALL, GAP = 84, 46, 22, 12
"""The names' column, a clock's width, a signal's height and what is between two."""


def simulate() -> list[dict[str, Any]]:
    """The ports of the MAC in each clock, from the first one after reset."""
    dut = hdl.create(MacParameters(a=FORMAT, b=FORMAT))
    items = [(*pair, k == 0, k == len(s) - 1) for s in SUMS for k, pair in enumerate(s)]
    clocks = []

    async def bench(ctx: Any) -> None:
        sent = 0
        for clock in range(CLOCKS):
            offered = sent < len(items)
            a, b, first, last = items[sent] if offered else (0.0, 0.0, False, False)
            codes = golden.quantize([a, b], FORMAT).tolist()
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.o.ready, clock not in STALLED)
            ctx.set(dut.i.p.a.as_value(), codes[0])
            ctx.set(dut.i.p.b.as_value(), codes[1])
            ctx.set(dut.i.p.first, first)
            ctx.set(dut.i.p.last, last)
            ready, valid = ctx.get(dut.i.ready), ctx.get(dut.o.valid)
            result = golden.decode([ctx.get(dut.o.p.y.as_value())], "DLFLOAT16")[0]
            clocks.append({
                "i_valid": int(offered), "i_ready": ready,
                "i_a": f"{a:g}" if offered else "", "i_b": f"{b:g}" if offered else "",
                "i_first": int(first), "i_last": int(last),
                "o_valid": valid, "o_ready": int(clock not in STALLED),
                "o_y": f"{result:g}" if valid else "",
            })  # fmt: skip
            sent += offered and ready
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return clocks


def level(values: list[int], top: float) -> list[str]:
    """A signal of one bit."""
    points = []
    for k, value in enumerate(values):
        y = top if value else top + TALL
        points += [(LEFT + k * WIDE, y), (LEFT + (k + 1) * WIDE, y)]
    return [path(points)]


def words(values: list[str], top: float) -> list[str]:
    """A signal of several bits, by its values; grey where nobody looks."""
    parts, k = [], 0
    while k < len(values):
        run = k
        while run < len(values) and values[run] == values[k]:
            run += 1
        x, right, middle = LEFT + k * WIDE, LEFT + run * WIDE, top + TALL / 2
        if values[k]:
            shape = [(x, middle), (x + 4, top), (right - 4, top), (right, middle)]
            shape += [(right - 4, top + TALL), (x + 4, top + TALL)]
            moves = " ".join(f"{a:g},{b:g}" for a, b in shape)
            parts.append(f'<polygon points="{moves}" fill="{BLUE}" stroke="{INK}"/>')
            parts.append(text((x + right) / 2, middle + 5, values[k]))
        else:
            parts.append(path([(x, middle), (right, middle)], PALE))
        k = run
    return parts


def svg(clocks: list[dict[str, Any]]) -> str:
    """The picture, with the latency of the first sum measured in it."""
    parts = [text(LEFT - 10, 32, "clock", 12, "end", fill=PALE)]
    for k in range(CLOCKS):
        parts.append(text(LEFT + (k + 0.5) * WIDE, 32, str(k), 12, fill=PALE))
    top = 44
    for name in clocks[0]:
        if name == "o_valid":
            taken = next(k for k, c in enumerate(clocks) if c["i_last"] and c["i_ready"])
            out = next(k for k, c in enumerate(clocks) if c["o_valid"])
            x, y = LEFT + (taken + 0.5) * WIDE, top + 8
            parts.append(path([(x, y), (LEFT + (out + 0.5) * WIDE, y)], end=True))
            words_x = LEFT + (taken + out + 1) / 2 * WIDE
            parts.append(text(words_x, y - 5, f"latency: {out - taken} clocks", 12))
            top += 22
        values = [clock[name] for clock in clocks]
        bit = isinstance(values[0], int)
        parts.append(text(LEFT - 10, top + 16, name, 13, "end", mono=True))
        parts += level(values, top) if bit else words(values, top)
        top += TALL + GAP
    grid = [
        f'<line x1="{LEFT + k * WIDE}" y1="38" x2="{LEFT + k * WIDE}" y2="{top - GAP + 4}" '
        f'stroke="{PALE}" stroke-width="0.5" stroke-dasharray="2 3"/>'
        for k in range(CLOCKS + 1)
    ]
    title = "Two sums through a MAC, the receiver not ready in clock 6"
    return picture(LEFT + CLOCKS * WIDE + 16, top + 6, title, grid + parts)
