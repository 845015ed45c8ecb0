"""The user's own matrices through the core and through the golden model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw import golden
from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.rounding import FLAGS
from rtl_gen.package import Package

from ..errors import SimulationError
from ..simulation.compare import Comparison, errors
from . import run_core
from .compiled import native
from .compiled.native_run import run_natively
from .matrices import Matrices
from .program import Program, Ran, in_order
from .threads import Progress, in_threads
from .tiling import Part, parts

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
        As `verif.core.tiling.parts` and `verif.core.run_core.run`; also if a result is missing or
        in another place than it should be.
    """
    lists = list(parts(p, given.a, given.b, given.mode_a, given.mode_b))
    start = time.monotonic()
    codes = np.zeros(given.shape, np.uint32)
    flags = np.zeros(given.shape, np.uint8)
    clocks = 0
    if simulator == "native":
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

        start = time.monotonic()
        for found, ran, taken in in_threads(map(run, lists), progress):
            _place(p, found, ran, codes, flags, simulator)
            clocks += taken
    else:
        programs = [Program(p, [part.task for part in found]) for found in lists]
        for found, ran in zip(
            lists, run_core.results(package, simulator, programs, seed), strict=False
        ):
            _place(p, found, ran, codes, flags, simulator)
            progress(sum(part.elements for part in found))
    return Product(codes, flags, time.monotonic() - start, clocks or None)


def _place(
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
        shape = (part.task.job.m, part.task.job.n)
        index, keep = in_order(p, np.arange(shape[0] * shape[1]).reshape(shape))
        if frame.keep.shape != keep.shape or (frame.keep != keep).any():
            raise SimulationError(f"{simulator}: results came in other places than they should")
        for whole, values in ((codes, frame.codes), (flags, frame.flags)):
            block = np.zeros(shape, whole.dtype)
            block.reshape(-1)[index[keep]] = values[keep]
            whole[part.rows, part.columns] = block


def golden_product(
    p: CoreParameters, given: Matrices, progress: Progress = lambda more: None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(codes, flags) of C from the golden model, in as many threads as there are cores."""
    (m, k), n = given.a.shape, given.b.shape[1]
    step = max(1, _GOLDEN // (k * n))

    def block(first: int) -> Callable[[Progress], tuple[int, Any]]:
        def call(tell: Progress) -> tuple[int, Any]:
            rows = given.a[first : first + step]
            job = GemmJob(len(rows), n, k, mode_a=given.mode_a, mode_b=given.mode_b)
            found = golden.gemm_job(job, rows, given.b, **p.golden_arguments, flags=True)
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
        statistics = errors(values, given.reals["a"] @ given.reals["b"])
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
        },
        "expected": {"y": int(want[0][m, n]), "flags": int(want[1][m, n])},
        "got": {"y": int(done.codes[m, n]), "flags": int(done.flags[m, n])},
    }  # fmt: skip
