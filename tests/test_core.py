"""The core on both simulators against golden, and golden's job against exact rationals."""

import itertools
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
from verif.core.program import Program
from verif.core.run_core import run

from .conftest import check_lint, later

SMALL = {"rows": 2, "cols": 2, "lanes": 2}
SEED = 3


def every_job(p: CoreParameters, stall: float, rng: np.random.Generator) -> Program:
    """Every M, N, K from 1 to two tiles and one more, stored either way, in any mode and order."""
    sizes = list(itertools.product(*(range(1, 2 * n + 2) for n in (p.rows, p.cols, p.lanes))))
    program = Program(p, stall=stall)
    for number in rng.permutation(len(sizes)):
        ways = [bool(x) for x in rng.integers(0, 2, 2)]
        modes = [int(rng.integers(len(f))) for f in (p.a_formats, p.b_formats)]
        program.random(rng, GemmJob(*sizes[number], *ways, *modes))
    return program


@pytest.mark.parametrize("simulator", ["icarus", "verilator", "native"])
@pytest.mark.parametrize(
    "given",
    [
        SMALL,
        later({"rows": 1, "cols": 3, "lanes": 1, "acc": "FP16"}),
        later({"rows": 4, "cols": 2, "lanes": 2, "a": "E4M3FN", "b": "E5M2", "acc": "FP32",
               "drains": 2, "overflow": "saturate", "stages": 2}),
        later({"rows": 2, "cols": 4, "lanes": 2, "a": "E5M2", "acc": "BF16", "drains": 1,
               "rounding": "RDN", "stages": 3}),
        later({"rows": 1, "cols": 2, "lanes": 4, "acc": "E5M2", "pages": 4}),
        later({"rows": 3, "cols": 1, "lanes": 1, "a": "HFP8_BWD", "b": "HFP8_FWD"}),
    ],
)  # fmt: skip
def test_every_small_job_equals_golden(given: dict[str, Any], simulator: str) -> None:
    """One after another, at full speed and with pauses on every port."""
    p, rng = CoreParameters(**given), np.random.default_rng(SEED)
    programs = [every_job(p, stall, rng) for stall in (0.0, 0.3)]
    found = run(generate(p), simulator, programs, seed=SEED)
    wanted = sum(task.job.m * task.job.n for program in programs for task in program.tasks)
    assert (found.mismatches, found.first, found.results) == (0, None, wanted)


@pytest.mark.parametrize("simulator", ["icarus", later("verilator"), "native"])
def test_refusals_resets_and_pages(simulator: str) -> None:
    """Jobs that are refused between good ones; a reset in mid-job; operands that stay."""
    p, rng = CoreParameters(**SMALL, terms=40), np.random.default_rng(SEED)
    refused = Program(p, stall=0.1)
    for job in (
        GemmJob(3, 2, 5), GemmJob(0, 1, 1), GemmJob(2, 2, 41), GemmJob(2, 1, 40),
        GemmJob(1, 1, 1, page_a=2), GemmJob(65535, 1, 40), GemmJob(1, 4000, 40), GemmJob(5, 5, 5),
    ):  # fmt: skip
        refused.random(rng, job)
    assert refused.refusals() == [
        JobError.EMPTY, JobError.LONG, JobError.PAGE, JobError.LARGE_A, JobError.LARGE_B
    ]  # fmt: skip
    kept = Program(p)
    kept.random(rng, GemmJob(4, 3, 9, page_a=1))
    kept.random(rng, GemmJob(4, 5, 9, load_a=False, page_a=1, page_b=1))
    kept.random(rng, GemmJob(9, 4, 4, transpose_a=True, load_a=False, page_a=1))
    programs = [refused, kept]
    for clocks in (40, 75, 130):
        programs.append(Program(p, stall=0.2, reset_at=clocks))
        for size in (7, 3, 6):
            programs[-1].random(rng, GemmJob(size, 5, 9))
    found = run(generate(p), simulator, programs, seed=SEED)
    assert (found.mismatches, found.first) == (0, None) and found.results > 0


def broken(package: Package, pattern: str, new: str) -> Package:
    """A copy in which the first text that matches is another."""
    text, count = re.subn(pattern, new, package.verilog, count=1)
    assert count == 1, pattern
    return replace(package, verilog=text)


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        # A lane beyond K counts; a job ends with its first row of tiles; C's edge is another.
        (r"(core_array_a0_1_there = .*) & \{8\{.*", r"\1;"),
        later(r"(wire core_sequencer_loop_row_end =).*", r"\1 core_reserve;"),
        later(r"(wire core_sequencer_loop_blocked =).*", r"\1 1'b0;"),
        later(r"assign m_axis_tlast = .*", "assign m_axis_tlast = 1'b0;"),
    ],
)
def test_faults_are_found(pattern: str, new: str) -> None:
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    program = Program(p, stall=0.3)
    for size in ((3, 3, 3), (1, 4, 2), (5, 3, 5), (5, 5, 1)):
        # The code beyond K is a NaN in (1,5,2), and (1,4,3) has none.
        program.random(rng, GemmJob(*size, mode_a=1))
    assert run(broken(generate(p), pattern, new), "icarus", [program]).first is not None


def test_the_package_reads_without_a_warning(tmp_path: Path) -> None:
    package = check_lint("core", SMALL, tmp_path)
    names = {port["name"] for port in package.manifest["ports"]}
    assert {"s_axi_awaddr", "s_axis_a_tdata", "s_axis_b_tlast", "m_axis_tkeep"} <= names


def test_registers_do_not_overlap() -> None:
    addresses = [one.address for one in REGISTERS]
    assert len(set(addresses)) == len(addresses) and all(a % 4 == 0 for a in addresses)
    for one in REGISTERS:
        bits = [bit for f in one.fields for bit in range(f.low, f.low + f.width)]
        assert len(set(bits)) == len(bits) and max(bits) < 32, one.name


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("acc", ["DLFLOAT16", "E5M2"])
def test_golden_jobs_equal_exact_rationals(acc: str, across: bool, down: bool) -> None:
    rng = np.random.default_rng(5)
    job = GemmJob(3, 2, 7, across, down, 1, 0)
    a, b = rng.integers(0, 256, job.a_shape), rng.integers(0, 256, job.b_shape)
    codes, flags = gemm_job(job, a, b, "HFP8", "E4M3", acc, rounding="RNE", flags=True)
    rows, columns = (a.T if across else a), (b.T if down else b)
    formats = parse_format("HFP8_BWD"), parse_format("E4M3")
    for m, n in itertools.product(range(3), range(2)):
        x, y = ([scalar.decode(int(code), fmt) for code in row]
                for row, fmt in zip((rows[m], columns[:, n]), formats, strict=True))  # fmt: skip
        wanted = scalar.dot(x, y, parse_format(acc), parse_rounding("RNE"), "special", "exact")
        assert (int(codes[m, n]), int(flags[m, n])) == wanted


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GemmJob(-1, 1, 1), "m=-1 is not allowed: an integer from 0 to 65535"),
        (lambda: GemmJob(1, 1, 1, mode_a=2), "mode_a=2 is not allowed: an integer from 0 to 1"),
        (lambda: GemmJob(1, 1, 1, 1),  # type: ignore[arg-type]
         "transpose_a=1 is not allowed: True or False"),
        (lambda: CoreParameters(rows=0), "rows=0 is not allowed: an integer from 1 to 64"),
        (lambda: CoreParameters(lanes=3), "lanes=3 is not allowed: one of 1, 2, 4"),
        (lambda: CoreParameters(rows=3), "rows=3 is not allowed for lanes=4"),
        (lambda: CoreParameters(drains=3), "drains=3 is not allowed for rows=4: one of 1, 2, 4"),
        (lambda: CoreParameters(pages=3), "pages=3 is not allowed: 2, 4, 8 or 16"),
        (lambda: CoreParameters(semantics="chunked"), "semantics='chunked' is not allowed"),
        (lambda: CoreParameters(a_size=100), "a_size=100 is not allowed for rows=4 and lanes=4"),
        (lambda: gemm_job(GemmJob(1, 2, 3), [[1, 2]], [[1]], "E4M3", "E4M3", "FP16"), "shape"),
    ],
)  # fmt: skip
def test_what_is_not_allowed(make: Any, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert said in str(caught.value)
