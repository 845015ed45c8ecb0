"""The core on both simulators against golden, and golden's job against exact rationals."""

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError
from hfp8_hw.formats import parse_format
from hfp8_hw.golden import gemm_job, scalar
from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.registers import REGISTERS
from hfp8_hw.rounding import parse_rounding
from rtl_gen.package import Package, generate
from rtl_gen.tools import netlist
from verif.core.configurations import (
    CHUNK_CORES,
    CORES,
    EPILOGUE_CORES,
    PLAIN_CORES,
    WIDE_CORES,
    longest,
    programs,
)
from verif.core.kinds.convolutions import CONVOLUTION_CORES
from verif.core.program import Program
from verif.core.run_core import run
from verif.errors import SimulationError

from .conftest import check_lint, later

SMALL = {"rows": 2, "cols": 2, "lanes": 2}
SEED = 3


@pytest.mark.parametrize("simulator", ["icarus", "verilator", later("native")])
def test_every_program_equals_golden(simulator: str) -> None:
    """Jobs one after another, at full speed and with pauses on every port; jobs that are refused
    between good ones; resets in mid-job; operands that stay. `hfp8 verify core` does it for all."""
    p = CoreParameters(**PLAIN_CORES[0])
    found = run(generate(p), simulator, programs(p, SEED), seed=SEED)
    done = [t.job for q in programs(p, SEED) for t in q.tasks if p.refusal(t.job) is JobError.NONE]
    wanted = sum(job.m * job.n for job in done if not job.silent)
    assert (found.mismatches, found.first, found.results) == (0, None, wanted)
    assert found.jobs == len(done)


def test_no_operand_overtakes_the_reads_of_the_job_ahead() -> None:
    """Jobs of a word each, all in one page: the next one's words come as soon as they may, and what
    is read last is in a group whose address takes the longest."""
    p = CoreParameters(rows=4, cols=1, lanes=1, stages=2)
    program, rng = Program(p), np.random.default_rng(SEED)
    for number in range(12):
        program.random(rng, GemmJob(4, 1, 1 + number % 3, transpose_a=bool(number & 1)))
    found = run(generate(p), "icarus", [program], seed=SEED)
    assert (found.mismatches, found.first, found.results) == (0, None, 48)


def test_beats_of_several_words() -> None:
    """Rows that end within a beat, loaded, read either way, kept, and read the other way round."""
    p = CoreParameters(rows=2, cols=1, lanes=1, a_beat=8, b_beat=2, stages=2)
    program, rng = Program(p), np.random.default_rng(SEED)
    for m in range(1, 20, 3):
        k, n = (int(x) for x in rng.integers(1, 20, 2))
        program.random(rng, GemmJob(m, n, k, transpose_a=bool(m & 1), transpose_b=bool(n & 1)))
        other = GemmJob(k, 3, m, transpose_a=not m & 1, load_a=False)
        program.random(rng, other)
    found = run(generate(p), "icarus", [program], seed=SEED)
    wanted = sum(task.job.m * task.job.n for task in program.tasks)
    assert (found.mismatches, found.first, found.results) == (0, None, wanted)


def test_programs_have_every_kind_of_job() -> None:
    """Each core's every size, and every error that a job of its can have."""
    for given in CORES:
        p = CoreParameters(**given)
        every, stalled, refused, kept, *rest = programs(p, SEED)
        sizes = {(task.job.m, task.job.n, task.job.k) for task in every.tasks}
        deep = p.chunk if p.in_chunks else p.lanes
        sides = (2 * p.rows + 1, 2 * p.tile_cols + 1, min(2 * deep + 1, longest(p)))
        assert len(sizes) == min(400, math.prod(sides)) == len(stalled.tasks)
        errors = set(refused.refusals())
        assert errors >= {JobError.EMPTY, JobError.LARGE_A, JobError.LARGE_B}
        assert (JobError.LONG in errors) == (not p.in_chunks)
        assert (JobError.PAGE in errors) == (p.pages < 16)
        assert (JobError.MODE in errors) == (1 in (len(p.a_formats), len(p.b_formats)))
        assert not kept.refusals() and any(not task.job.load_a for task in kept.tasks)
        assert (JobError.EPILOGUE in errors) == (p.epilogue != "full")
        assert (JobError.STORE in errors) == (p.epilogue != "none")
        assert (JobError.BIAS in errors) == (p.epilogue == "full")
        assert (JobError.LARGE_Y in errors) == p.keeps
        assert [program.reset_at is not None for program in rest[:3]] == [True] * 3
        assert len(rest) == 4 + 4 * (p.epilogue != "none") + 4 * (p.convolution == "yes")


def clocks_of(p: CoreParameters, job: GemmJob) -> int:
    """The clocks in which a job alone is at work: one a block, but sums leave the array only when
    those before have left it, and a chunk's sum is added only when the one before has been."""
    steps = -(-job.k // p.lanes)
    chunk = p.chunk // p.lanes if p.in_chunks else steps
    rounds = [min(chunk, steps - k) for k in range(0, steps, chunk)]
    clock, free = 0, 0
    for _ in range(-(-job.m // p.rows) * -(-job.n // (p.cols * p.turns))):
        for number, count in enumerate(rounds):
            # The last round of a chunk; a round begins every `turns` clocks.
            last = clock + (count - 1) * p.turns
            last = max(last, -(-free // p.turns) * p.turns)
            free = last + (p.chunk_interval if number < len(rounds) - 1 else p.slots)
            clock = last + p.turns
    return clock


@pytest.mark.parametrize(
    ("given", "job", "waits"),
    [
        later({**SMALL, "semantics": "exact_chunk", "chunk": 16}, GemmJob(5, 4, 80), False),
        ({**SMALL, "semantics": "exact_chunk", "chunk": 14}, GemmJob(5, 4, 74), True),
        later({**SMALL, "semantics": "exact_chunk", "chunk": 14, "drains": 1},
              GemmJob(2, 2, 70), False),
        later({**SMALL, "semantics": "exact_chunk", "chunk": 2, "drains": 1}, GemmJob(4, 4, 9),
              True),
        later({"rows": 2, "cols": 2, "semantics": "chunked", "chunk": 2}, GemmJob(3, 33, 10),
              False),
        ({"rows": 2, "cols": 2, "semantics": "chunked", "chunk": 3, "interleave": 2,
          "drains": 1}, GemmJob(3, 9, 10), True),
    ],
)  # fmt: skip
def test_chunks_wait_no_longer_than_they_must(
    given: dict[str, Any], job: GemmJob, waits: bool
) -> None:
    p = CoreParameters(**given)
    program = Program(p)
    program.random(np.random.default_rng(SEED), job)
    found = run(generate(p), "icarus", [program], seed=SEED)
    blocks = -(-job.m // p.rows) * -(-job.n // p.tile_cols) * -(-job.k // p.lanes) * p.turns
    assert found.first is None
    counted = found.counters[0]
    assert (counted["BUSY"], counted["BUSY"] - counted["STALL_OUT"]) == (clocks_of(p, job), blocks)
    assert (counted["STALL_OUT"] > 0) == waits
    assert counted["MACS"] == job.m * job.n * job.k


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [
        {**SMALL, "semantics": "exact_chunk", "chunk": 4},
        {"rows": 2, "cols": 2, "semantics": "chunked", "chunk": 4, "interleave": 3},
    ],
)
def test_chunks_begin_anew_after_a_reset(given: dict[str, Any]) -> None:
    p, rng = CoreParameters(**given), np.random.default_rng(SEED)
    programs = []
    for clocks in (60, 75, 91, 130):
        programs.append(Program(p, stall=0.1, reset_at=clocks))
        for size in (7, 3, 9):
            programs[-1].random(rng, GemmJob(size, 7, 3 * size))
    found = run(generate(p), "icarus", programs, seed=SEED)
    assert (found.mismatches, found.first) == (0, None) and found.results > 0


def broken(package: Package, pattern: str, new: str) -> Package:
    """A copy in which the first text that matches is another."""
    text, count = re.subn(pattern, new, package.verilog, count=1)
    assert count == 1, pattern
    return replace(package, verilog=text)


def disturbed(package: Package, everywhere: bool) -> tuple[Package, int]:
    """A copy whose memories that say so read the inverse of a word that is being written, or with
    ``everywhere`` of any word meanwhile; and their number."""
    text = package.verilog
    names = re.findall(r"\(\* no_rw_check \*\) reg \[(\d+):0\] (\w+)_memory ", text)
    for top, name in names:
        written = re.search(rf"    if \((.*)\) {name}_memory\[(.*)\] <= ", text)
        assert written is not None
        now = written[1] if everywhere else rf"{written[1]} && {written[2]} == \2"
        inverse = rf"\1 ^ {{{int(top) + 1}{{{now}}}}};"
        text, places = re.subn(rf"(<= {name}_memory\[(.*)\]);", inverse, text)
        assert places == 1
    return replace(package, verilog=text), len(names)


@pytest.mark.parametrize(
    ("given", "everywhere"),
    [
        (EPILOGUE_CORES[0], False),
        later(EPILOGUE_CORES[0], True),
        *(later(given, False) for given in (CHUNK_CORES[3], CONVOLUTION_CORES[0], WIDE_CORES[0])),
    ],
)
def test_a_word_that_is_being_written_is_not_used(given: dict[str, Any], everywhere: bool) -> None:
    """So synthesis may leave open what such a read gives."""
    p = CoreParameters(**given)
    package, count = disturbed(generate(p), everywhere)
    assert count > p.a_layout.beat + p.b_layout.beat
    found = run(package, "icarus", programs(p, SEED)[1:], seed=SEED)
    assert (found.first is None) == (found.results > 0) == (not everywhere)


CHUNK = {"semantics": "exact_chunk", "chunk": 2}
TURNS = {"lanes": 1, "semantics": "chunked", "chunk": 2, "interleave": 2}


@pytest.mark.parametrize(
    ("pattern", "new", "more"),
    [
        # A lane beyond K counts; a job ends with its first row of tiles; C's edge is another.
        (r"(core_array_a0_1_there = .*) & \{8\{.*", r"\1;", {}),
        later(r"(wire core_sequencer_loop_row_end =).*", r"\1 core_reserve;", {}),
        later(r"(wire core_sequencer_loop_blocked =).*", r"\1 1'b0;", {}),
        later(r"assign m_axis_tlast = .*", "assign m_axis_tlast = 1'b0;", {}),
        # A chunk does not wait for the sum before it; sums begin with what was there before.
        later(r"(wire core_sequencer_loop_blocked =).*", r"\1 1'b0;", CHUNK),
        later(r"(wire .*rounder0_total_held =) \S* \? \S* :", r"\1", CHUNK),
        later(r"(wire core_array_e1_1_x_zero =.*) \| .*", r"\1;", TURNS),
        # Sums leave before they are complete, or those of the wrong turn do.
        later(r"(core_array_e0_1_reading) <= .*", r"\1 <= 1'b0;", TURNS),
        later(r"(core_array_leave) <= core_array_leave_next", r"\1 <= 1'b0", TURNS),
    ],
)
def test_faults_are_found(pattern: str, new: str, more: dict[str, Any]) -> None:
    p, rng = CoreParameters(**{**SMALL, **more}), np.random.default_rng(SEED)
    program = Program(p, stall=0.3)
    for size in ((3, 3, 3), (1, 4, 2), (5, 3, 5), (5, 5, 1)):
        # The code beyond K is a NaN in (1,5,2), and (1,4,3) has none.
        program.random(rng, GemmJob(*size, mode_a=1))
    try:
        found = run(broken(generate(p), pattern, new), "icarus", [program]).first
    except SimulationError as error:
        # A result that is X.
        found = str(error)
        assert "did not build" not in found
    assert found is not None


@pytest.mark.parametrize("align", ["dsp", later("lut")])
def test_what_may_be_a_dsp_block(align: str) -> None:
    """With ``align=dsp`` the products of a clock and nothing else, which fit; else no product."""
    package = generate(CoreParameters(**SMALL, a="E4M3FN", b="E4M3FN", align=align))
    script = f"read_verilog unit.v; hierarchy -top {package.name}; proc; flatten; wreduce"
    cells = netlist({"unit.v": package.verilog}, script)["modules"][package.name]["cells"]
    found = [
        tuple(int(cell["parameters"][f"{side}_WIDTH"], 2) for side in "AB")
        for cell in cells.values()
        if cell["type"] == "$mul"
    ]
    assert found == [(18, 18)] * 8 if align == "dsp" else max(found) <= (4, 4)


def test_the_package_reads_without_a_warning(tmp_path: Path) -> None:
    package = check_lint("core", SMALL, tmp_path)
    names = {port["name"] for port in package.manifest["ports"]}
    assert {"s_axi_awaddr", "s_axis_a_tdata", "s_axis_b_tlast", "m_axis_tkeep"} <= names


@pytest.mark.parametrize("semantics", ["exact", later("chunked")])
def test_each_element_keeps_its_own_control(semantics: str) -> None:
    """Equal registers of different elements are not merged, by the generator nor by Yosys."""
    package = generate(CoreParameters(rows=2, cols=2, lanes=1, semantics=semantics))
    script = f"read_verilog unit.v; hierarchy -top {package.name}; proc; opt_clean; opt_merge"
    found = []
    for text in (package.verilog, package.verilog.replace("(* keep *)", "")):
        module = netlist({"unit.v": text}, script)["modules"][package.name]
        cells = [c["connections"]["Q"] for c in module["cells"].values() if "Q" in c["connections"]]
        bits = {bit for q in cells for bit in q}
        control = {
            tuple(net["bits"]) for name, net in module["netnames"].items()
            if re.fullmatch("core_array_e._._(place_valid|place_last|end|reading)", name)
        }  # fmt: skip
        found.append(sum(set(one) <= bits for one in control))
    assert found == [8, 2]


def test_registers_do_not_overlap() -> None:
    addresses = [one.address for one in REGISTERS]
    assert len(set(addresses)) == len(addresses) and all(a % 4 == 0 for a in addresses)
    for one in REGISTERS:
        bits = [bit for f in one.fields for bit in range(f.low, f.low + f.width)]
        assert len(set(bits)) == len(bits) and max(bits) < 32, one.name


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("acc", ["DLFLOAT16", "E5M2"])
@pytest.mark.parametrize("semantics", ["exact", "exact_chunk", "chunked"])
def test_golden_jobs_equal_exact_rationals(
    semantics: str, acc: str, across: bool, down: bool
) -> None:
    rng = np.random.default_rng(5)
    job = GemmJob(3, 2, 7, across, down, 1, 0)
    a, b = rng.integers(0, 256, job.a_shape), rng.integers(0, 256, job.b_shape)
    codes, flags = gemm_job(
        job, a, b, "HFP8", "E4M3", acc, semantics=semantics, chunk=3, rounding="RNE", flags=True
    )
    rows, columns = (a.T if across else a), (b.T if down else b)
    formats = parse_format("HFP8_BWD"), parse_format("E4M3")
    for m, n in itertools.product(range(3), range(2)):
        x, y = ([scalar.decode(int(code), fmt) for code in row]
                for row, fmt in zip((rows[m], columns[:, n]), formats, strict=True))  # fmt: skip
        wanted = scalar.dot(
            x, y, parse_format(acc), parse_rounding("RNE"), "special", semantics, chunk=3
        )
        assert (int(codes[m, n]), int(flags[m, n])) == wanted


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GemmJob(-1, 1, 1), "m=-1 is not allowed: an integer from 0 to 65535"),
        (lambda: GemmJob(1, 1, 1, mode_a=2), "mode_a=2 is not allowed: an integer from 0 to 1"),
        (lambda: GemmJob(1, 1, 1, 1),  # type: ignore[arg-type]
         "transpose_a=1 is not allowed: True or False"),
        (lambda: gemm_job(GemmJob(1, 2, 1), [[1]], [[1, 2], [3]], "E5M2", "E5M2", "FP16"),
         "b=[[1, 2], [3]] is not allowed: an array, all rows of one length"),
        (lambda: gemm_job(GemmJob(1, 1, 1, mode_b=1), [[1]], [[1]], "HFP8", "E5M2", "FP16"),
         "mode_b=1 is not allowed for fmt_b='E5M2': only HFP8"),
        (lambda: CoreParameters(rows=0), "rows=0 is not allowed: an integer from 1 to 64"),
        (lambda: CoreParameters(lanes=3), "lanes=3 is not allowed: one of 1, 2, 4"),
        (lambda: CoreParameters(rows=3), "rows=3 is not allowed for lanes=4"),
        (lambda: CoreParameters(drains=3), "drains=3 is not allowed for rows=4: one of 1, 2, 4"),
        (lambda: CoreParameters(pages=3), "pages=3 is not allowed: 2, 4, 8 or 16"),
        (lambda: CoreParameters(semantics="fma"), "semantics='fma' is not allowed"),
        (lambda: CoreParameters(chunk=64),
         "chunk=64 is not allowed for semantics='exact': only sums in chunks have one"),
        (lambda: CoreParameters(semantics="chunked", terms=9), "terms=9 is not allowed for"),
        (lambda: CoreParameters(semantics="chunked", lanes=4),
         "lanes=4 is not allowed for semantics='chunked': 1"),
        (lambda: CoreParameters(semantics="chunked", stages=3), "an integer from 2 to 2"),
        (lambda: CoreParameters(semantics="exact_chunk", interleave=2),
         "interleave=2 is not allowed for semantics='exact_chunk'"),
        (lambda: CoreParameters(semantics="exact_chunk", chunk=66),
         "chunk=66 is not allowed for lanes=4: a multiple of lanes up to 65536"),
        (lambda: CoreParameters(a_beat=6), "a_beat=6 is not allowed for rows=4, lanes=4 and "
         "a_size=4096: one of 4, 8, 16, 32, or 0 for 4"),
        (lambda: CoreParameters(b_beat=16, b_size=32), "b_beat=16 is not allowed for cols=4, "
         "lanes=4 and b_size=32: one of 4, 8, or 0 for 4"),
        (lambda: CoreParameters(align="mul"), "align='mul' is not allowed: one of lut, dsp"),
        (lambda: CoreParameters(align="dsp", a="HFP8_FWD", b="E4M3FN"),
         "a='HFP8_FWD' is not allowed for align='dsp': a format that has at most 18 bits in fixed "
         "point, as E4M3FN; this has 19"),
        (lambda: CoreParameters(align="dsp", a="E4M3FN"),
         "b='HFP8' is not allowed for align='dsp'"),
        (lambda: CoreParameters(align="dsp", semantics="chunked", a="E4M3FN", b="E4M3FN"),
         "align='dsp' is not allowed for semantics='chunked': only exact sums have a grid"),
        (lambda: CoreParameters(align="dsp", a="E4M3FN", b="E4M3FN", stages=7),
         "stages=7 is not allowed: an integer from 2 to 6"),
        (lambda: CoreParameters(stages=5), "stages=5 is not allowed: an integer from 2 to 4"),
        (lambda: CoreParameters(a_size=100), "a_size=100 is not allowed for rows=4 and lanes=4"),
        (lambda: gemm_job(GemmJob(1, 2, 3), [[1, 2]], [[1]], "E4M3", "E4M3", "FP16"), "shape"),
    ],
)  # fmt: skip
def test_what_is_not_allowed(make: Any, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert said in str(caught.value)


def test_a_job_shows_what_is_not_as_usual() -> None:
    assert repr(GemmJob(2, 3, 4)) == "GemmJob(m=2, n=3, k=4)"
    job = GemmJob(2, 3, 4, transpose_b=True, load_a=False, scale=-2)
    assert repr(job) == "GemmJob(m=2, n=3, k=4, transpose_b=True, load_a=False, scale=-2)"
    assert eval(repr(job)) == job
