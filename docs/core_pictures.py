"""The pictures of docs/core.md: what the core is made of, and when a small one does what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from amaranth.sim import Simulator

from hfp8_hw.hdl.core.gemm_core import GemmCore
from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters

sys.path.insert(0, str(Path(__file__).parent))
from svg import AMBER, BLUE, GREEN, INK, PALE, box, path, picture, text

SHOWN = CoreParameters(rows=4, cols=4, lanes=4, epilogue="full")
SMALL = CoreParameters(rows=2, cols=2, lanes=2)
JOB = GemmJob(m=4, n=4, k=8)
"""The job that the small core does twice."""


def parts_of_the_core() -> str:
    """A block for each part, with the sizes of `SHOWN`."""
    p = SHOWN
    cell, gap = 44, 8
    left, top = 330, 128
    right = left + p.cols * (cell + gap)
    bottom = top + p.rows * (cell + gap)
    parts = [
        box(16, 16, 180, 64, AMBER), text(106, 42, "registers, queue", 14, weight="600"),
        text(106, 62, "s_axi: jobs, counters", 12),
        box(226, 16, 300, 64, AMBER), text(376, 42, "sequencer", 14, weight="600"),
        text(376, 62, "tile by tile, in each along k", 12),
        box(16, top, 180, bottom - top - gap, BLUE),
        text(106, top + 30, "scratchpad A", 14, weight="600"),
        text(106, top + 54, f"{p.pages} pages of {p.a_size:,} codes", 12),
        text(106, top + 76, f"{p.rows} x {p.lanes} codes a clock", 12),
        text(106, top + 98, "as stored or transposed", 12),
        box(left, bottom + 50, right - left - gap, 88, BLUE),
        text((left + right - gap) / 2, bottom + 78, "scratchpad B", 14, weight="600"),
        text((left + right - gap) / 2, bottom + 100, f"{p.pages} pages of {p.b_size:,} codes", 12),
        text((left + right - gap) / 2, bottom + 122, f"{p.cols} x {p.lanes} codes a clock", 12),
        path([(196, 48), (224, 48)], end=True),
        path([(376, 80), (376, 104), (106, 104), (106, top - 2)], end=True),
        path([(308, 104), (308, bottom + 94), (left - 2, bottom + 94)], end=True),
        text(106, bottom + 14, "s_axis_a", 12, mono=True),
        text((left + right - gap) / 2, bottom + 156, "s_axis_b", 12, mono=True),
    ]  # fmt: skip
    for row in range(p.rows):
        y = top + row * (cell + gap)
        parts.append(path([(198, y + cell / 2), (left - 4, y + cell / 2)], PALE, end=True))
        parts.append(text(264, y + cell / 2 - 6, f"{p.lanes} codes", 11, fill=PALE))
        for col in range(p.cols):
            x = left + col * (cell + gap)
            parts.append(box(x, y, cell, cell, GREEN, 4))
            parts.append(text(x + cell / 2, y + cell / 2 + 4, f"+ {p.lanes}×", 12))
        parts.append(path([(right - gap + 2, y + cell / 2), (right + 40, y + cell / 2)], end=True))
    for col in range(p.cols):
        x = left + col * (cell + gap) + cell / 2
        parts.append(path([(x, bottom + 48), (x, bottom - gap + 4)], PALE, end=True))
    drains = right + 42
    for row in range(p.drains):
        y = top + row * (cell + gap)
        parts.append(box(drains, y, 84, cell, AMBER, 4))
        parts.append(text(drains + 42, y + cell / 2 + 4, "rounder", 12))
        parts.append(path([(drains + 86, y + cell / 2), (drains + 108, y + cell / 2)], end=True))
    x = drains + 110
    tall = p.rows * (cell + gap) - gap
    parts += [
        box(x, top, 142, tall, GREEN),
        text(x + 71, top + 30, "epilogue", 14, weight="600"),
        *(
            text(x + 71, top + 56 + 20 * k, words, 12)
            for k, words in enumerate(("+ C before", "+ bias", "scale", "ReLU", "quantizer, amax"))
        ),
        path([(x + 142, top + tall / 2), (x + 168, top + tall / 2)], end=True),
        box(x + 170, top, 96, tall, BLUE),
        text(x + 218, top + 30, "results", 14, weight="600"),
        text(x + 218, top + 56, f"{p.drains} a clock", 12),
        text(x + 218, top + 78, "m_axis", 12, mono=True),
        path([(x + 71, top + tall), (x + 71, bottom + 180), (46, bottom + 180), (46, bottom - 6)],
             PALE, end=True),
        text(x + 60, bottom + 174, "a result that stays is a later job's operand", 12, "end",
             fill=PALE),
        text(x + 71, top - 26, "s_axis_c", 12, mono=True),
        path([(x + 71, top - 20), (x + 71, top - 2)], end=True),
    ]  # fmt: skip
    title = f"A core of {p.rows} x {p.cols} elements with {p.lanes} products a clock each"
    return picture(int(x + 282), int(bottom + 200), title, parts)


def simulate() -> list[dict[str, Any]]:
    """Two jobs, one after the other: what moves in each clock, from the first job's offer on."""
    core: Any = GemmCore(SMALL)
    clocks: list[dict[str, Any]] = []

    async def bench(ctx: Any) -> None:
        steps = -(-JOB.k // SMALL.lanes)
        offered = issued = 0
        for name in ("m", "n", "k", "load_a", "load_b"):
            ctx.set(core.job.payload[name], int(getattr(JOB, name)))
        ctx.set(core.a.valid, 1)
        ctx.set(core.b.valid, 1)
        ctx.set(core.y.ready, 1)
        done = 0
        while done < 2:
            page = offered % 2
            ctx.set(core.job.valid, offered < 2)
            ctx.set(core.job.payload.page_a, page)
            ctx.set(core.job.payload.page_b, page)
            step = bool(ctx.get(core.step_mask))
            clocks.append({
                "A comes in": bool(ctx.get(core.a.ready)),
                "B comes in": bool(ctx.get(core.b.ready)),
                "products": issued // steps + 1 if step else 0,
                "results": bool(ctx.get(core.y.valid)),
            })  # fmt: skip
            offered += ctx.get(core.job.valid) and ctx.get(core.job.ready)
            issued += step
            done += ctx.get(core.y.valid) and ctx.get(core.y.payload.last)
            await ctx.tick()

    simulator = Simulator(core)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return clocks


def runs(values: list[Any]) -> list[tuple[int, int, Any]]:
    """(first clock, clock behind the last, value) of what stays the same and is not 0."""
    found, k = [], 0
    while k < len(values):
        end = k
        while end < len(values) and values[end] == values[k]:
            end += 1
        if values[k]:
            found.append((k, end, values[k]))
        k = end
    return found


def schedule(clocks: list[dict[str, Any]]) -> str:
    """A row for each of what moves; products by tile."""
    left, wide, tall, gap = 104, 10, 26, 12
    tiles = -(-JOB.m // SMALL.rows) * -(-JOB.n // SMALL.cols)
    parts = [text(left - 10, 30, "clock", 12, "end", fill=PALE)]
    parts += [
        text(left + k * wide + wide / 2, 30, str(k), 11, fill=PALE)
        for k in range(0, len(clocks), 10)
    ]
    top = 44
    for name in clocks[0]:
        parts.append(text(left - 10, top + 18, name, 13, "end"))
        for start, end, value in runs([clock[name] for clock in clocks]):
            x, width = left + start * wide, (end - start) * wide
            if name == "products":
                job, tile = divmod(value - 1, tiles)
                parts.append(box(x, top, width, tall, (GREEN, AMBER)[job], 3))
                parts.append(text(x + width / 2, top + 18, f"tile {tile + 1}", 11))
            else:
                parts.append(box(x, top, width, tall, BLUE, 3))
        top += tall + gap
    parts.append(
        f'<line x1="{left}" y1="38" x2="{left}" y2="{top - gap + 4}" stroke="{INK}" '
        'stroke-width="1"/>'
    )
    parts.append(
        text(left, top + 8, f"Green: the first job, {JOB.m} x {JOB.n} x {JOB.k}. "
             "Amber: the second, whose operands come in meanwhile.", 12, "start", fill=PALE)
    )  # fmt: skip
    width = left + len(clocks) * wide + 24
    return picture(width, top + 24, "Two jobs on a core of 2 x 2 x 2", parts)
