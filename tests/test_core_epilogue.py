"""What the core does to results, on both simulators against golden, and golden against exact
rationals."""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError
from hfp8_hw.formats import FloatFormat, parse_format
from hfp8_hw.golden import gemm_job, gemm_rbits, quantize, scalar
from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.rounding import parse_rounding
from rtl_gen.package import generate
from verif.core.configurations import EPILOGUE_CORES
from verif.core.kinds.mixture import mixture, pairwise
from verif.core.program import Program, in_order
from verif.core.run_core import run
from verif.simulation.simulate import SimulationError

from .conftest import check_lint, later
from .test_core import broken

SMALL = EPILOGUE_CORES[0]
NONE = {"epilogue": "none", "bias_size": None}
SIZES = {"m": 2, "n": 2, "k": 2}
SEED = 3


def test_pairwise_rows_have_every_pair() -> None:
    choices = {"x": (0, 1, 2), "y": "ab", "z": (False, True), "w": (0, 1)}
    rows = pairwise(choices, np.random.default_rng(SEED), lambda row: row["x"] != 2 or row["z"])
    seen = {frozenset([(n, r[n]), (m, r[m])]) for r in rows for n in r for m in r if n != m}
    due = sum(len(a) * len(b) for n, a in choices.items() for m, b in choices.items() if n < m)
    assert len(seen) == due - 1 and len(rows) < 12


@pytest.mark.parametrize("simulator", ["icarus", later("verilator"), later("native")])
def test_every_two_options_together(simulator: str) -> None:
    """At full speed, with pauses on every port, with jobs that follow each other at once, and after
    a reset in mid-job. `hfp8 verify core` does it for all cores."""
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    programs = [mixture(p, rng, stall=0.3), mixture(p, rng, burst=4)]
    if simulator != "icarus":
        programs += [mixture(p, rng), mixture(p, rng, stall=0.1)]
        programs[-1].reset_at = 300
    found = run(generate(p), simulator, programs, seed=SEED)
    jobs = sum(len(program.tasks) for program in programs)
    assert (found.mismatches, found.first, found.jobs) == (0, None, jobs)


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        # A job does not wait for the page that it reads, and so on.
        later(r"(wire core_ready_blocked =).*", r"\1 1'b0;"),
        later(r"(wire core_hold =).*", r"\1 1'b0;"),
        later(r"(wire core_start_a_or =).*", r"\1 1'b0;"),
        later(r"(wire core_start_a_and_2 =).*", r"\1 1'b0;"),
        later(r"(wire core_epilogue_room_and =).*", r"\1 1'b0;"),
        later(r"(wire core_epilogue_room_and_2 =).*", r"\1 1'b0;"),
        later(r"(wire core_epilogue_addends_vacant\w* =).*", r"\1 1'b1;"),
        later(r"(wire core_epilogue_skipped =).*", r"\1 1'b0;"),
        later(r"(wire core_epilogue_bias_walk_row_end\w* =).*", r"\1 1'b0;"),
        later(r"(wire core_epilogue_keep_walk_row_end\w* =).*", r"\1 1'b0;"),
    ],
)
def test_faults_are_found(pattern: str, new: str) -> None:
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    programs = [mixture(p, rng), mixture(p, rng, burst=4), mixture(p, rng, burst=4)]
    package = broken(generate(p), pattern, new)
    try:
        found = run(package, "icarus", programs, seed=SEED)
    except SimulationError as error:
        # What was never written reads as X.
        assert "non-0/1 values" in str(error)
    else:
        assert found.first is not None


@pytest.mark.parametrize(
    ("given", "job", "error"),
    [
        (NONE, {"relu": True}, JobError.EPILOGUE),
        (NONE, {"page_y": 1}, JobError.EPILOGUE),
        ({**NONE, "epilogue": "quantize"}, {"accumulate": True}, JobError.EPILOGUE),
        ({}, {"mode_y": 1}, JobError.NONE),
        ({"y": "E5M2"}, {"mode_y": 1}, JobError.MODE),
        ({}, {"page_y": 2}, JobError.PAGE),
        ({}, {"n": 17, "bias": True}, JobError.BIAS),
        ({}, {"n": 16, "bias": True}, JobError.NONE),
        ({}, {"store": True, "page_y": 1}, JobError.STORE),
        ({}, {"store": True, "quantize": True}, JobError.STORE),
        ({"y": "E5M2"}, {"store": True, "quantize": True, "page_y": 1}, JobError.STORE),
        ({"drains": 1}, {"store": True, "quantize": True, "page_y": 1}, JobError.STORE),
        ({}, {"store": True, "quantize": True, "page_y": 1}, JobError.NONE),
        ({"y": "HFP8_BWD"}, {"store": True, "quantize": True, "page_y": 1}, JobError.NONE),
        ({}, {"m": 16, "n": 4, "store": True, "quantize": True, "page_y": 1},
         JobError.NONE),
        ({}, {"m": 16, "n": 5, "store": True, "quantize": True, "page_y": 1},
         JobError.LARGE_Y),
        ({}, {"m": 16, "n": 5, "quantize": True, "page_y": 1}, JobError.NONE),
        ({}, {"m": 17, "n": 5, "k": 4, "store": True, "quantize": True, "page_y": 1},
         JobError.LARGE_A),
    ],
)  # fmt: skip
def test_reasons(given: dict[str, Any], job: dict[str, Any], error: JobError) -> None:
    assert CoreParameters(**{**SMALL, **given}).refusal(GemmJob(**{**SIZES, **job})) is error


@pytest.mark.parametrize(
    "given",
    [
        SMALL,
        later({**SMALL, "drains": 1, "bias_size": 3}),
        later({**SMALL, **NONE, "epilogue": "quantize", "y": "E5M2"}),
        later({**SMALL, **NONE}),
    ],
)
def test_refusals_between_good_jobs(given: dict[str, Any]) -> None:
    """Each reason alone, as the register has the first one; and the largest magnitude each time."""
    p, rng = CoreParameters(**given), np.random.default_rng(SEED)
    stored = {"store": True, "quantize": True, "page_y": 1}
    programs = []
    for job in (
        {"relu": True}, {"bias": True}, {"accumulate": True}, {"scale": -1}, {"mode_y": 1},
        {"page_y": 2}, {"n": 17, "bias": True}, {"store": True, "page_y": 1},
        {"store": True, "quantize": True}, stored, {**stored, "m": 16, "n": 5},
        {**stored, "m": 17, "n": 5, "k": 4}, {"silent": True, "k": 9},
    ):  # fmt: skip
        programs.append(Program(p))
        for one in (GemmJob(2, 3, 1), GemmJob(**{**SIZES, **job}), GemmJob(3, 1, 2, mode_a=1)):
            programs[-1].random(rng, one)
    programs[-1].tasks.pop()
    assert {JobError.NONE} != {error for program in programs for error in program.refusals()}
    found = run(generate(p), "icarus", programs, seed=SEED)
    assert (found.mismatches, found.first) == (0, None) and found.jobs > 0


@pytest.mark.parametrize(
    "given",
    [
        later({**SMALL, "y_rounding": "SR(8)"}),
        later({"rows": 4, "cols": 3, "lanes": 1, "drains": 2, "epilogue": "full"}),
        later({"rows": 1, "cols": 1, "lanes": 4, "epilogue": "full", "bias_size": 1, "a_size": 4}),
        later({"rows": 1, "cols": 2, "lanes": 2, "epilogue": "quantize", "acc": "FP9",
               "y": "E2M1:none"}),
    ],
)  # fmt: skip
def test_the_package_reads_without_a_warning(given: dict[str, Any], tmp_path: Path) -> None:
    names = {port["name"] for port in check_lint("core", given, tmp_path).manifest["ports"]}
    assert ("s_axis_c_tdata" in names) == (given["epilogue"] == "full")


@pytest.mark.parametrize("acc", ["DLFLOAT16", "E5M2", "E4M3FNUZ"])
@pytest.mark.parametrize("rounding", ["RNE", "RDN", "SR(4)"])
def test_golden_jobs_equal_exact_rationals(acc: str, rounding: str) -> None:
    """Step by step, as docs/numerics.md has it."""
    rng, fmt = np.random.default_rng(SEED), parse_format(acc)
    how = parse_rounding("RDN" if rounding == "RDN" else "RNE")
    for number in range(20):
        m, n, k = 3, 2, int(rng.integers(1, 4))
        flags = [bool(x) for x in rng.integers(0, 2, 4)]
        job = GemmJob(
            m, n, k, relu=flags[0], quantize=flags[1], bias=flags[2], accumulate=flags[3],
            mode_y=number % 2, scale=int(rng.integers(-9, 9)),
        )  # fmt: skip
        a, b = (edged(rng, parse_format("HFP8_FWD"), shape) for shape in (job.a_shape, job.b_shape))
        c = edged(rng, fmt, (m, n)) if job.accumulate else None
        bias = edged(rng, fmt, (n,)) if job.bias else None
        rbits = rng.integers(0, 16, (m, n))
        codes, marks, amax, special = gemm_job(
            job, a, b, "HFP8", "HFP8", acc, rounding=str(how), y_rounding=rounding, c=c, bias=bias,
            rbits=rbits if rounding == "SR(4)" else None, flags=True, track=True,
        )  # fmt: skip
        y = parse_format(("HFP8_FWD", "HFP8_BWD")[job.mode_y])
        largest, seen = Fraction(0), False
        for row, column in product(range(m), range(n)):
            x, z = ([scalar.decode(int(code), parse_format("HFP8_FWD")) for code in one]
                    for one in (a[row], b[:, column]))  # fmt: skip
            code, ored = scalar.dot(x, z, fmt, how, "special", "exact")
            for addend in (c, bias):
                if addend is not None:
                    other = addend[row, column] if addend.ndim == 2 else addend[column]
                    terms = [scalar.decode(int(one), fmt) for one in (code, other)]
                    total, bad = scalar.add(terms, how)
                    code, more = scalar.quantize(total, fmt, how, "special", invalid=bad)
                    ored |= more
            value = scalar.decode(code, fmt)
            if job.relu and (
                value in ("-0", "-inf") or (isinstance(value, Fraction) and value < 0)
            ):
                value = Fraction(0)
            finite = isinstance(value, Fraction) or value == "-0"
            seen |= not finite
            if isinstance(value, Fraction):
                largest = max(largest, abs(value))
                value *= Fraction(2) ** job.scale
            if job.quantize:
                code, more = scalar.quantize(
                    value, y, parse_rounding(rounding), "saturate", int(rbits[row, column])
                )
            else:
                code, more = scalar.quantize(value, fmt, how, "special")
            assert (int(codes[row, column]), int(marks[row, column])) == (code, ored | more)
        assert (scalar.decode(amax, fmt), special) == (largest, seen)


def test_random_bits_are_those_of_a_quantizer() -> None:
    """Of one with as many lanes as there are drains, that takes the results as they leave."""
    p = CoreParameters(rows=4, cols=3, lanes=1, drains=2, epilogue="full", y_rounding="SR(8)")
    job, rng = GemmJob(7, 5, 1, quantize=True), np.random.default_rng(SEED)
    x = rng.integers(0, 1 << 16, (7, 5))
    first, drawn = gemm_rbits(GemmJob(2, 2, 1, quantize=True), 4, 2, "SR(8)", 5)
    rbits, _ = gemm_rbits(job, 4, 2, "SR(8)", 5, drawn)
    assert first.shape == (2, 2) and drawn == 2
    beats, there = in_order(p, x)
    before = np.zeros((drawn, 2), x.dtype)
    lanes = quantize(np.vstack([before, beats]), "HFP8_FWD", src="DLFLOAT16", rounding="SR(8)",
                     random="xorshift32", seed=5, lanes=2)[drawn:]  # fmt: skip
    own = quantize(x, "HFP8_FWD", src="DLFLOAT16", rounding="SR(8)", rbits=rbits)
    assert (in_order(p, own)[0] == lanes)[there].all()
    # The quantizers' generators rest in a job of which they have no part.
    nothing, still = gemm_rbits(replace(job, quantize=False), 4, 2, "SR(8)", 5, drawn)
    assert still == drawn and nothing.shape == (7, 5) and not nothing.any()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GemmJob(1, 1, 1, scale=64), "scale=64 is not allowed: an integer from -64 to 63"),
        (lambda: GemmJob(1, 1, 1, relu=1),  # type: ignore[arg-type]
         "relu=1 is not allowed: True or False"),
        (lambda: CoreParameters(epilogue="all"), "epilogue='all' is not allowed: one of none"),
        (lambda: CoreParameters(y="E5M2"), "y='E5M2' is not allowed for epilogue='none'"),
        (lambda: CoreParameters(epilogue="quantize", bias_size=8),
         "bias_size=8 is not allowed for epilogue='quantize'"),
        (lambda: CoreParameters(epilogue="full", random_seed=8),
         "random_seed=8 is not allowed for y_rounding='RNE'"),
        (lambda: CoreParameters(epilogue="full", y="FP16"),
         "y='FP16' is not allowed: quantized results have at most 8 bits"),
        (lambda: CoreParameters(epilogue="full", y_overflow="special"),
         "y_overflow='special' is not allowed for HFP8_FWD"),
        (lambda: gemm_job(GemmJob(1, 1, 1), [[1]], [[1]], "E5M2", "E5M2", "FP16", bias=[1]),
         "bias is not allowed for this job: bias=False"),
        (lambda: gemm_job(GemmJob(1, 1, 1, bias=True), [[1]], [[1]], "E5M2", "E5M2", "FP16"),
         "bias is needed for this job: bias=True"),
        (lambda: gemm_job(GemmJob(1, 1, 1), [[1]], [[1]], "E5M2", "E5M2", "FP16", c=[[1]]),
         "c is not allowed for this job: accumulate=False"),
        (lambda: gemm_job(GemmJob(1, 1, 1), [[1]], [[1]], "E5M2", "E5M2", "FP16", y_overflow="x"),
         "y_overflow='x' is not allowed"),
        (lambda: gemm_job(GemmJob(1, 2, 1), [[1]], [[1, 1]], "E5M2", "E5M2", "FP16", rbits=[[1]]),
         "rbits of shape (1, 1) is not allowed for the job: (1, 2)"),
        (lambda: gemm_rbits(GemmJob(1, 2, 1, quantize=True), 1, 1, "SR(4)", 1, 2**32 - 1),
         "drawn=4294967295 is not allowed: an integer from 0 to 4294967293"),
        (lambda: CoreParameters().refusal(None),  # type: ignore[arg-type]
         "job=None is not allowed: a GemmJob"),
        (lambda: CoreParameters().refusal(GemmJob(1, 1, 1), 3),  # type: ignore[arg-type]
         "addresses=3 is not allowed: Addresses or None"),
        (lambda: gemm_job(GemmJob(1, 1, 1, accumulate=True), [[1]], [[1]], "E5M2", "E5M2", "FP16",
                          c=[1]), "c of shape (1,) is not allowed for the job: (1, 1)"),
        (lambda: gemm_job(GemmJob(1, 1, 1, bias=True), [[1]], [[1]], "E5M2", "E5M2", "FP16",
                          bias=[1.0]), "bias has dtype 'float64', which is not allowed: integer"),
        (lambda: gemm_job(GemmJob(1, 1, 1, accumulate=True), [[1]], [[1]], "E5M2", "E5M2", "FP16",
                          c=[[1 << 16]]), "c holds the code 65536, which is not allowed: FP16"),
    ],
)  # fmt: skip
def test_what_is_not_allowed(make: Any, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert said in str(caught.value)


def edged(rng: np.random.Generator, fmt: FloatFormat, shape: tuple[int, ...]) -> Any:
    """Random codes, many of them zeros."""
    codes = rng.integers(0, 1 << fmt.width, shape)
    return np.where(rng.random(shape) < 0.4, fmt.sign_mask * rng.integers(0, 2, shape), codes)
