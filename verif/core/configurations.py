"""The cores that ``hfp8 verify core`` checks when no parameters are given, and what they run."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from hfp8_hw.jobs import MAX_PAGES, MAX_SIZE, GemmJob, JobError
from hfp8_hw.parameters import CoreParameters

from .kinds.convolutions import CONVOLUTION_CORES, convolutions
from .kinds.edges import edges
from .kinds.mixture import large_jobs, mixture
from .program import Program

DSP_CORES: list[dict[str, Any]] = [
    {"rows": 2, "cols": 2, "lanes": 2, "align": "dsp", "a": "E4M3FN", "b": "E4M3FN", "terms": 40},
    {"rows": 1, "cols": 2, "lanes": 4, "align": "dsp", "a": "E4M3FNUZ", "b": "E4M3",
     "rounding": "RDN", "acc": "BF16", "stages": 2},
    {"rows": 2, "cols": 1, "lanes": 1, "align": "dsp", "a": "E2M3", "b": "E4M3FN", "stages": 3,
     "semantics": "exact_chunk", "chunk": 3, "acc": "FP16"},
    {"rows": 2, "cols": 2, "lanes": 2, "align": "dsp", "a": "E4M3", "b": "E3M4", "stages": 5,
     "convolution": "yes", "epilogue": "full", "y": "E4M3", "a_size": 64, "bias_size": 16},
]  # fmt: skip
"""Parameters with multipliers that may be DSP blocks."""

PLAIN_CORES: list[dict[str, Any]] = [
    {"rows": 2, "cols": 2, "lanes": 2, "terms": 40},
    {"rows": 1, "cols": 3, "lanes": 1, "acc": "FP16"},
    {"rows": 4, "cols": 2, "lanes": 2, "a": "E4M3FN", "b": "E5M2", "acc": "FP32", "drains": 2,
     "overflow": "saturate", "stages": 2},
    {"rows": 2, "cols": 4, "lanes": 2, "a": "E5M2", "acc": "BF16", "drains": 1, "rounding": "RDN",
     "stages": 3},
    {"rows": 1, "cols": 2, "lanes": 4, "acc": "E5M2", "pages": 4, "terms": 9},
    {"rows": 3, "cols": 1, "lanes": 1, "a": "HFP8_BWD", "b": "HFP8_FWD", "pages": 16},
    *DSP_CORES,
]  # fmt: skip
"""Parameters other than the defaults, without an epilogue."""

CHUNK_CORES: list[dict[str, Any]] = [
    {"rows": 2, "cols": 2, "lanes": 2, "semantics": "exact_chunk", "chunk": 4},
    {"rows": 1, "cols": 2, "lanes": 1, "semantics": "exact_chunk", "chunk": 2, "a": "E4M3FN",
     "b": "E5M2", "acc": "E5M2", "rounding": "RDN"},
    {"rows": 4, "cols": 1, "lanes": 4, "semantics": "exact_chunk", "chunk": 4, "drains": 2,
     "a": "E5M2", "acc": "FP16", "overflow": "saturate"},
    {"rows": 2, "cols": 2, "semantics": "chunked", "chunk": 2, "interleave": 2},
    {"rows": 2, "cols": 1, "semantics": "chunked", "chunk": 3, "drains": 1, "a": "E4M3FN",
     "b": "E5M2", "acc": "E5M2", "rounding": "RDN"},
    {"rows": 1, "cols": 3, "semantics": "chunked", "chunk": 1, "interleave": 1, "a": "HFP8_BWD",
     "b": "HFP8_FWD", "acc": "FP16", "overflow": "saturate"},
]  # fmt: skip
"""Such that sum in chunks."""

EPILOGUE_CORES: list[dict[str, Any]] = [
    {"rows": 2, "cols": 2, "lanes": 2, "epilogue": "full", "a_size": 64, "bias_size": 16},
    {"rows": 2, "cols": 2, "lanes": 2, "epilogue": "full", "y_rounding": "SR(8)",
     "random_seed": 77, "pages": 4},
    {"rows": 4, "cols": 2, "lanes": 2, "epilogue": "full", "a": "E4M3FN", "b": "E5M2",
     "y": "E4M3FN", "y_overflow": "special", "acc": "FP16", "overflow": "saturate"},
    {"rows": 2, "cols": 4, "lanes": 4, "epilogue": "full", "acc": "FP32", "rounding": "RDN",
     "a": "E5M2", "y": "E5M2", "y_rounding": "RTZ"},
    {"rows": 4, "cols": 3, "lanes": 1, "drains": 2, "epilogue": "full", "acc": "BF16",
     "y_rounding": "SR(11)", "bias_size": 7},
    {"rows": 3, "cols": 2, "lanes": 1, "drains": 1, "epilogue": "full", "acc": "E5M2",
     "y": "E4M3FNUZ", "y_overflow": "special"},
    {"rows": 1, "cols": 2, "lanes": 2, "epilogue": "quantize", "acc": "FP9", "y": "E2M1:none",
     "stages": 2},
    {"rows": 2, "cols": 2, "lanes": 2, "epilogue": "full", "semantics": "exact_chunk", "chunk": 4,
     "y_rounding": "SR(4)"},
    {"rows": 2, "cols": 2, "epilogue": "full", "semantics": "chunked", "chunk": 3,
     "interleave": 3},
]  # fmt: skip
"""Such with one."""

WIDE_CORES: list[dict[str, Any]] = [
    {"rows": 2, "cols": 2, "lanes": 2, "a_beat": 4, "b_beat": 16, "epilogue": "full"},
    {"rows": 4, "cols": 1, "lanes": 2, "a_beat": 16, "b_beat": 4, "semantics": "exact_chunk",
     "chunk": 4, "epilogue": "quantize"},
    {"rows": 2, "cols": 2, "a_beat": 2, "b_beat": 8, "semantics": "chunked", "chunk": 2,
     "interleave": 2},
    {"rows": 1, "cols": 4, "lanes": 2, "a_beat": 16, "b_beat": 8, "convolution": "yes"},
]  # fmt: skip
"""Such with beats of more codes than an array takes in a clock."""

MEMORY_CORES: list[dict[str, Any]] = [
    {"rows": 2, "cols": 2, "lanes": 2, "ports": "memory", "bus": 64, "burst": 256,
     "epilogue": "full"},
    {"rows": 4, "cols": 2, "lanes": 2, "ports": "memory", "bus": 128, "burst": 2,
     "epilogue": "full", "pages": 4},
    {"rows": 3, "cols": 5, "lanes": 1, "ports": "memory", "bus": 32, "burst": 8,
     "epilogue": "full", "a": "E4M3FN", "y": "E4M3FN"},
    {"rows": 6, "cols": 3, "lanes": 1, "drains": 3, "ports": "memory", "epilogue": "full",
     "acc": "FP32"},
    {"rows": 2, "cols": 8, "lanes": 2, "ports": "memory", "bus": 32, "burst": 4, "a": "FP16",
     "b": "E5M2", "acc": "FP9"},
    {"rows": 2, "cols": 2, "ports": "memory", "semantics": "chunked", "chunk": 3, "interleave": 2,
     "epilogue": "quantize"},
    {"rows": 2, "cols": 2, "lanes": 2, "ports": "memory", "convolution": "yes",
     "epilogue": "full", "bus": 128, "a_beat": 8},
]  # fmt: skip
"""Such with a port to memory: a bus narrower and wider than the beats, and others of which neither
width divides the other."""

CORES = [*PLAIN_CORES, *CHUNK_CORES, *EPILOGUE_CORES, *CONVOLUTION_CORES, *WIDE_CORES]

_STALL = 0.3
_MOST = 400
"""Jobs of a program, at the most."""
_RESETS = (40, 75, 130)


def longest(p: CoreParameters) -> int:
    """The most products of a sum."""
    return MAX_SIZE if p.in_chunks else p.terms


def every_job(p: CoreParameters, stall: float, rng: np.random.Generator) -> Program:
    """Every M, N, K from 1 to two tiles and chunks and one more (of large arrays a part of them),
    stored either way, in any mode and order."""
    sides = (p.rows, p.tile_cols, p.chunk if p.in_chunks else p.lanes)
    sizes = list(itertools.product(*(range(1, min(2 * n + 1, longest(p)) + 1) for n in sides)))
    program = Program(p, stall=stall)
    for number in rng.permutation(len(sizes))[:_MOST]:
        ways = [bool(x) for x in rng.integers(0, 2, 2)]
        modes = [int(rng.integers(len(f))) for f in (p.a_formats, p.b_formats)]
        program.random(rng, GemmJob(*sizes[number], *ways, *modes))
    return program


def refused_jobs(p: CoreParameters, rng: np.random.Generator) -> Program:
    """Jobs of every kind that this core refuses, each before one that it does."""
    program = Program(p, stall=0.1)
    k = min(longest(p), 5)
    wrong = [GemmJob(0, 1, 1), GemmJob(1, 0, k), GemmJob(1, 1, 0), GemmJob(MAX_SIZE, 1, k),
             GemmJob(1, MAX_SIZE, k)]  # fmt: skip
    if longest(p) < MAX_SIZE:
        wrong += [GemmJob(2, 2, p.terms + 1), GemmJob(1, 1, MAX_SIZE)]
    one: Any = GemmJob(1, 1, 1)
    pages = [p.pages << k for k in range(4) if p.pages << k < MAX_PAGES]
    for side, formats in (("a", p.a_formats), ("b", p.b_formats)):
        wrong += [replace(one, **{f"page_{side}": page}) for page in pages]
        if len(formats) == 1:
            wrong.append(replace(one, **{f"mode_{side}": 1}))
    if p.epilogue == "none":
        wrong += [replace(one, relu=True), replace(one, scale=-64), replace(one, page_y=1)]
    else:
        wrong.append(replace(one, store=True))
        wrong += [replace(one, page_y=page) for page in pages]
    if p.epilogue == "quantize":
        wrong += [replace(one, bias=True), replace(one, accumulate=True)]
    if p.epilogue == "full":
        wrong.append(replace(one, n=p.bias_size + 1, bias=True))
    if p.keeps:
        # Its operands of one product fit their pages, if not its result.
        layout = p.a_layout
        large = replace(one, m=4 * layout.long, n=layout.short * (layout.words // 4 + 1))
        wrong.append(replace(large, quantize=True, store=True, page_y=1))
    for number in rng.permutation(len(wrong)):
        program.random(rng, wrong[number])
        program.random(rng, GemmJob(int(rng.integers(1, 6)), int(rng.integers(1, 6)), k))
    return program


def too_large(p: CoreParameters, rng: np.random.Generator) -> Program:
    """Jobs whose operand has just more rows than its page holds: of rows of one word, of two and
    so on, stored either way; each before one that it does."""
    program = Program(p)
    for side, layout in (("a", p.a_layout), ("b", p.b_layout)):
        wrong = JobError.LARGE_A if side == "a" else JobError.LARGE_B
        for words, transposed in itertools.product((1, 2, 3, 4, 6), (False, True)):
            columns = layout.long * words
            rows = layout.words // layout.row_words(columns) * layout.short + 1
            # A is m x k, or stored as k x m; B is k x n, or stored as n x k.
            outer, inner = (columns, rows) if transposed else (rows, columns)
            size = {"a": (outer, 1, inner), "b": (1, inner, outer)}[side]
            if max(size) > MAX_SIZE:
                continue
            stored: dict[str, Any] = {f"transpose_{side}": transposed}
            job = GemmJob(*size, **stored)
            if p.refusal(job) is wrong:
                program.random(rng, job)
                program.random(rng, GemmJob(2, 2, min(longest(p), 3)))
    return program


def kept_operands(p: CoreParameters, rng: np.random.Generator) -> Program:
    """Operands that stay in their pages, used again, also the other way round."""
    program = Program(p)
    last = p.pages - 1
    k = min(longest(p), 9)
    program.random(rng, GemmJob(4, 3, k, page_a=last))
    program.random(rng, GemmJob(4, 5, k, load_a=False, page_a=last, page_b=last))
    program.random(
        rng, GemmJob(k, 4, min(4, longest(p)), transpose_a=True, load_a=False, page_a=last)
    )  # fmt: skip
    program.random(rng, GemmJob(5, 5, k, transpose_a=True, load_b=False, page_b=last))
    return program


def programs(p: CoreParameters, seed: int, large: bool = False) -> list[Program]:
    """All that a core is checked with: jobs of all sizes, without and with random stalls on every
    port, refused ones, operands that stay, resets in mid-job, all options of the epilogue,
    convolutions; ``large``, for compiled code, many larger ones too, and results at the ends of
    what formats hold."""
    rng = np.random.default_rng(seed)
    found = [every_job(p, stall, rng) for stall in (0.0, _STALL)]
    found += [refused_jobs(p, rng), kept_operands(p, rng)]
    for clocks in _RESETS:
        found.append(Program(p, stall=0.2, reset_at=clocks))
        for size in (7, 3, 6):
            found[-1].random(rng, GemmJob(size, 5, min(9, longest(p))))
    if p.epilogue != "none":
        found += [mixture(p, rng, stall=stall) for stall in (0.0, _STALL)]
    if p.convolution == "yes":
        found += [convolutions(p, rng, 30, stall=stall) for stall in (0.0, _STALL)]
        found.append(convolutions(p, rng, 12, burst=4))
        found.append(convolutions(p, rng, 6, stall=0.1, reset_at=300))
    if large:
        found += [large_jobs(p, rng, 60) for _ in range(16)]
        if p.epilogue != "none":
            found += [edges(p, rng, 80) for _ in range(12)]
    if p.epilogue != "none":
        found += [mixture(p, rng, burst=4), mixture(p, rng, stall=0.1)]
        found[-1].reset_at = 300
    found.append(too_large(p, rng))
    for number, program in enumerate(found):
        program.interrupts = number % 8
    return found
