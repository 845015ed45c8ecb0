"""The core: scratchpads, array and drain, behind AXI4-Streams."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...parameters.core import CoreParameters
from ..numbers.pipeline import Pipeline
from ..numbers.shape import Amaranth
from ..sums.exact_products import exact_cuts
from .drain import drain
from .element import Step, element
from .loader import Load, loader
from .scratchpad import scratchpad
from .sequencer import Extent, sequencer

JOB_BITS = 64
"""A job: m, n and k of 16 bits each, mode_a and mode_b at bits 48 and 49."""


def _bytes(bits: int) -> int:
    return -(-bits // 8) * 8


class GemmCore(wiring.Component):
    """C = A B, each element an exact sum of products, rounded once.

    A job is taken when one of the two halves of the scratchpads is free. Then its operands are
    taken, rows of A and columns of B, each in ceil(k / lanes) words, lane 0 lowest. While a job is
    loaded the one before computes. Results come tile by tile, a column of a tile in a word, row 0
    lowest, each code in whole bytes; ``tuser`` has four flags a row, ``tkeep`` the rows that are
    part of C, and ``tlast`` ends the job.

    Golden function: `hfp8_hw.golden.gemm_job`.

    Parameters
    ----------
    parameters : CoreParameters
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        e = p.element
        self.code_bits = _bytes(e.acc_format.width)
        ports: dict[str, Any] = {}
        for name, bits in (
            ("job", JOB_BITS),
            ("a", p.lanes * e.a_formats[0].width),
            ("b", p.lanes * e.b_formats[0].width),
        ):
            ports |= {
                f"s_axis_{name}_tdata": In(_bytes(bits)),
                f"s_axis_{name}_tvalid": In(1),
                f"s_axis_{name}_tready": Out(1),
            }
        ports |= {
            "m_axis_c_tdata": Out(p.rows * self.code_bits), "m_axis_c_tvalid": Out(1),
            "m_axis_c_tready": In(1), "m_axis_c_tlast": Out(1),
            "m_axis_c_tkeep": Out(p.rows * self.code_bits // 8),
            "m_axis_c_tuser": Out(p.rows * 4),
        }  # fmt: skip
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        move = Signal(name="move")
        full = [Signal(name=f"full{k}") for k in range(2)]
        half = Signal(name="compute_half")
        extents, (loads, load_half) = self._load(m, full)
        chosen = {
            name: Mux(half, extents[1][name], extents[0][name]) for name in extents[0]
        }  # fmt: skip
        job = Extent(
            chosen["words"], (chosen["tiles_a"], chosen["tiles_b"]),
            (chosen["edge_a"], chosen["edge_b"]),
        )  # fmt: skip
        walk = sequencer(m, p.rows, p.cols, p.half, Mux(half, full[1], full[0]), move, job)
        with m.If(walk.valid & move & walk.end):
            m.d.sync += half.eq(~half)
            for k in range(2):
                with m.If(half == k):
                    m.d.sync += full[k].eq(0)
        words = []
        for name, load, banks, address in (
            ("a", loads[0], p.rows, walk.a),
            ("b", loads[1], p.cols, walk.b),
        ):
            width = p.lanes * getattr(p.element, f"{name}_formats")[0].width
            to = Cat(load.write[1], load_half) if p.half > 1 else load_half
            read = Cat(address[: (p.half - 1).bit_length()], half) if p.half > 1 else half
            words.append(
                scratchpad(
                    m,
                    f"bank_{name}",
                    banks,
                    width,
                    p.depth,
                    (load.write[0], to, load.write[2]),
                    (move, read),
                )
            )
        read_valid = Signal()
        held = {name: Signal(len(value), name=f"read_{name}") for name, value in {
            "first": walk.first, "last": walk.last, "rows": walk.rows, "cols": walk.cols,
            "end": walk.end, "mode_a": chosen["mode_a"], "mode_b": chosen["mode_b"],
        }.items()}  # fmt: skip
        with m.If(move):
            m.d.sync += [
                read_valid.eq(walk.valid), held["first"].eq(walk.first),
                held["last"].eq(walk.last), held["rows"].eq(walk.rows),
                held["cols"].eq(walk.cols), held["end"].eq(walk.end),
                held["mode_a"].eq(chosen["mode_a"]), held["mode_b"].eq(chosen["mode_b"]),
            ]  # fmt: skip
        step = Step(move, read_valid, held["first"], held["last"], held["mode_a"], held["mode_b"])
        sums: list[list[Any]] = []
        for r in range(p.rows):
            sums.append([])
            for c in range(p.cols):
                one = m.submodules[f"element_{r}_{c}"] = Module()
                sums[-1].append(element(one, p.element, step, words[0][r], words[1][c]))
        self._drain(m, move, step, held, sums)
        return m

    def _load(self, m: Module, full: list[Amaranth]) -> Any:
        """Take jobs and their operands; what is known of the job in each half, and the loaders."""
        p = self.parameters
        loading, load_half = Signal(name="loading"), Signal(name="load_half")
        start = Signal(name="load_start")
        data = self.s_axis_job_tdata
        sizes = [data[:16], data[16:32], data[32:48]]
        free = Mux(load_half, ~full[1], ~full[0])
        m.d.comb += [
            self.s_axis_job_tready.eq(~loading & free),
            start.eq(self.s_axis_job_tvalid & ~loading & free),
        ]
        loads: list[Load] = []
        for name, banks, vectors in (("a", p.rows, sizes[0]), ("b", p.cols, sizes[1])):
            stream = {n: getattr(self, f"s_axis_{name}_t{n}") for n in ("data", "valid", "ready")}
            width = getattr(p.element, f"{name}_formats")[0].width
            load = loader(m, f"load_{name}", banks, p.lanes, width, p.half, start, vectors,
                          sizes[2], stream["valid"], stream["data"])  # fmt: skip
            m.d.comb += stream["ready"].eq(load.ready)
            loads.append(load)
        modes, words = Signal(2, name="load_modes"), Signal(range(p.half), name="load_words")
        with m.If(start):
            m.d.sync += [
                loading.eq(1), modes.eq(data[48:50]),
                words.eq((sizes[2] - 1) >> (p.lanes - 1).bit_length()),
            ]  # fmt: skip
        facts = {
            "words": words, "tiles_a": loads[0].tiles, "tiles_b": loads[1].tiles,
            "edge_a": loads[0].edge, "edge_b": loads[1].edge,
            "mode_a": modes[0], "mode_b": modes[1],
        }  # fmt: skip
        extents = [
            {name: Signal(len(value), name=f"job{k}_{name}") for name, value in facts.items()}
            for k in range(2)
        ]
        with m.If(loading & ~loads[0].busy & ~loads[1].busy):
            m.d.sync += [loading.eq(0), load_half.eq(~load_half)]
            for k in range(2):
                with m.If(load_half == k):
                    m.d.sync += full[k].eq(1)
                    m.d.sync += [extents[k][name].eq(value) for name, value in facts.items()]
        return extents, (loads, load_half)

    def _drain(self, m: Module, move: Amaranth, step: Step, held: dict[str, Amaranth],
               sums: list[list[Any]]) -> None:  # fmt: skip
        """Follow the operands through the array, and give out what it has summed up."""
        p = self.parameters
        control = Pipeline(m, step.valid, exact_cuts(p.element))
        control.carried = {name: held[name] for name in ("last", "rows", "cols", "end")}
        for cut in exact_cuts(p.element):
            control.cut(cut)
        done = Signal(name="tile_done")
        m.d.comb += [control.ready.eq(move), done.eq(control.valid & control.carried["last"])]
        capture = Signal(name="capture")
        column, blocked = drain(
            m, p.element, sums, capture, control.carried["rows"], control.carried["cols"],
            control.carried["end"], self.m_axis_c_tready,
        )  # fmt: skip
        m.d.comb += [move.eq(~(done & blocked)), capture.eq(done & ~blocked)]
        pad = self.code_bits - p.element.acc_format.width
        keep = Cat((column.rows >= r).replicate(self.code_bits // 8) for r in range(p.rows))
        m.d.comb += [
            self.m_axis_c_tvalid.eq(column.valid),
            self.m_axis_c_tlast.eq(column.last),
            self.m_axis_c_tdata.eq(Cat(Cat(code, Const(0, pad)) for code in column.codes)),
            self.m_axis_c_tuser.eq(Cat(column.flags)),
            self.m_axis_c_tkeep.eq(keep),
        ]
