"""The user's own matrices through the core and through the golden model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw import golden
from hfp8_hw.formats import HFP8
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.rounding import FLAGS
from rtl_gen.package import Package

from ..errors import SimulationError
from ..simulation.compare import Comparison, errors
from . import run_core
from .compiled import native
from .compiled.native_run import run_natively
from .matrices import Matrices
from .program import Program, Ran, block_of
from .threads import Progress, in_threads
from .tiling import Part, parts, slices

_GOLDEN = 1 << 22
"""Products that a thread gives to the golden model at a time."""


@dataclass
class Product:
    """C as the core gave it: codes and flags, (M, N), and how long that took.

    ``clocks`` are the compiled model's, of all its runs; None elsewhere.
    """

    codes: NDArray[Any]
    flags: NDArray[np.uint8]
    seconds: float
    clocks: int | None = None


def multiply(
    package: Package,
    p: CoreParameters,
    given: Matrices,
    simulator: str,
    seed: int = 0,
    progress: Progress = lambda more: None,
) -> Product:
    """C = A B on a generated core, in as many jobs as it takes.

    Parameters
    ----------
    simulator : str
        As in `verif.core.run_core.run`; the compiled model runs in as many copies as there are
        cores.
    progress : callable
        Is told how many more elements of C there are.

    Raises
    ------
    ParameterError, ToolMissing, ToolError, SimulationError
        As `verif.core.tiling.slices` and `verif.core.run_core.run`; also if a result is missing or
        in another place than it should be.
    """
    native_too = simulator == "native"
    run = _natively(package, p, seed) if native_too else _simulated(package, p, simulator, seed)
    start = time.monotonic()
    codes = np.zeros(given.shape, np.uint32)
    flags = np.zeros(given.shape, np.uint8)
    clocks = 0
    steps = slices(p, *given.shape, given.a.shape[1])
    for number, step in enumerate(steps):
        c = codes.copy() if number else None
        bias = given.bias if step is steps[-1] else None
        a, b = given.a[:, step], given.b[step]
        found = parts(p, a, b, given.mode_a, given.mode_b, c=c, bias=bias)
        for done, ran, taken in run(found, progress):
            place(p, done, ran, codes, flags, simulator)
            clocks += taken
    return Product(codes, flags, time.monotonic() - start, clocks or None)


Runs = Iterator[tuple[list[Part], Ran, int]]
"""Jobs that were run one after another, what came of them, and clocks of the compiled model."""


def _natively(
    package: Package, p: CoreParameters, seed: int
) -> Callable[[Iterator[list[Part]], Progress], Runs]:
    models = threading.local()
    native.model(package)  # Built once, not by each thread.

    def run(found: list[Part]) -> Callable[[Progress], tuple[list[Part], Ran, int]]:
        def call(tell: Progress) -> tuple[list[Part], Ran, int]:
            if not hasattr(models, "own"):
                models.own = native.model(package)
            program = Program(p, [part.task for part in found])
            told = iter(found)

            def jobs(more: int) -> None:
                tell(sum(part.elements for part in islice(told, more)))

            ran = run_natively(models.own, program, seed, jobs)
            return found, ran, ran.clocks

        return call

    return lambda lists, progress: in_threads(map(run, lists), progress)


def _simulated(
    package: Package, p: CoreParameters, simulator: str, seed: int
) -> Callable[[Iterator[list[Part]], Progress], Runs]:
    def run(found: Iterator[list[Part]], progress: Progress) -> Runs:
        lists = list(found)
        programs = [Program(p, [part.task for part in one]) for one in lists]
        ran = run_core.results(package, simulator, programs, seed)
        for one, came in zip(lists, ran, strict=False):
            yield one, came, 0
            progress(sum(part.elements for part in one))

    return run


def work(p: CoreParameters, given: Matrices) -> int:
    """What `multiply` tells its progress in all: the elements of C, once for each of `slices`."""
    m, n = given.shape
    return m * n * len(slices(p, m, n, given.a.shape[1]))


def place(
    p: CoreParameters,
    found: list[Part],
    ran: Ran,
    codes: NDArray[Any],
    flags: NDArray[Any],
    simulator: str,
) -> None:
    """Put the results of some jobs where they belong in C."""
    if ran.error:
        raise SimulationError(f"{simulator}: {ran.error}")
    for part, frame in zip(found, ran.frames, strict=True):
        job = part.task.job
        block, raised = block_of(p, (job.m, job.n), frame)
        codes[part.rows, part.columns] = block
        flags[part.rows, part.columns] |= raised


def golden_product(
    p: CoreParameters, given: Matrices, progress: Progress = lambda more: None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(codes, flags) of C from the golden model, in as many threads as there are cores."""
    (m, k), n = given.a.shape, given.b.shape[1]
    step = max(1, _GOLDEN // (k * n))
    how = p.element.golden_arguments
    fmt_a, fmt_b, acc = (how.pop(name) for name in ("fmt_a", "fmt_b", "acc"))
    modes = {
        name: getattr(given, name)
        for name, fmt in (("mode_a", fmt_a), ("mode_b", fmt_b))
        if fmt == HFP8
    }
    rounding = {name: how[name] for name in ("rounding", "overflow")}

    def block(first: int) -> Callable[[Progress], tuple[int, Any]]:
        def call(tell: Progress) -> tuple[int, Any]:
            rows = given.a[first : first + step]
            # As `gemm_job` has it, but of sums of any length.
            found = golden.dot(
                rows[:, None], given.b.T[None], fmt_a, fmt_b, acc, flags=True, **how, **modes
            )
            if given.bias is not None:
                codes, more = golden.add(found[0], given.bias, acc, flags=True, **rounding)
                found = codes, found[1] | more
            tell(len(rows) * n)
            return first, found

        return call

    codes, flags = np.zeros((m, n), np.uint32), np.zeros((m, n), np.uint8)
    for first, found in in_threads(map(block, range(0, m, step)), progress):
        codes[first : first + step], flags[first : first + step] = found
    return codes, flags


def compare_core(
    package: Package,
    p: CoreParameters,
    given: Matrices,
    want: tuple[NDArray[Any], NDArray[Any]],
    done: Product,
    simulator: str,
) -> Comparison:
    """What came of `multiply`, against what `golden_product` has."""
    with np.errstate(all="ignore"):
        wrong = (done.codes != want[0]) | (done.flags != want[1])
        values = golden.decode(done.codes, p.acc_format)
        statistics = errors(values, given.exact)
    return Comparison(
        unit=package.manifest["unit"],
        parameters=package.manifest["parameters"],
        simulator="verilator" if simulator == "native" else simulator,
        via="native" if simulator == "native" else "cocotb",
        elements=int(wrong.size),
        mismatches=int(wrong.sum()),
        may_wrap=0,
        flags={name: int((done.flags >> k & 1).sum()) for k, name in enumerate(FLAGS)}
        | {f"input {name}": count for name, count in given.flags.items()},
        seconds=done.seconds,
        first=_first(wrong, given, want, done),
        y=done.codes,
        width=p.acc_format.width,
        format=p.acc_format.name,
        **statistics,
    )


def _first(
    wrong: NDArray[np.bool_], given: Matrices, want: tuple[Any, Any], done: Product
) -> dict[str, Any] | None:
    """The first mismatch, in the user's terms."""
    if not wrong.any():
        return None
    m, n = (int(x) for x in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
    return {
        "index": [m, n],
        "inputs": {
            "a": given.a[m].tolist(), "b": given.b[:, n].tolist(),
            "mode_a": given.mode_a, "mode_b": given.mode_b,
            **({} if given.bias is None else {"bias": int(given.bias[n])}),
        },
        "expected": {"y": int(want[0][m, n]), "flags": int(want[1][m, n])},
        "got": {"y": int(done.codes[m, n]), "flags": int(done.flags[m, n])},
    }  # fmt: skip
