"""The GEMM core on both simulators against golden, and golden's job against exact rationals."""

import itertools
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError
from hfp8_hw.formats import parse_format
from hfp8_hw.golden import gemm_job, scalar
from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters.core import CoreParameters
from hfp8_hw.rounding import parse_rounding
from verif.core import run as core
from verif.core.jobs import Task, random_task
from verif.core.run import Phase

from .conftest import later

SMALL = {"rows": 2, "cols": 2, "lanes": 2, "depth": 64}
MASTERS = 2
"""Clocks after a reset until the bench's masters offer their first word."""


def every_job(p: CoreParameters, seed: int) -> list[Task]:
    """Every M, N, K from 1 to two tiles and one more, in any order and mode."""
    rng = np.random.default_rng(seed)
    sizes = itertools.product(*(range(1, 2 * most + 2) for most in (p.rows, p.cols, p.lanes)))
    tasks = [random_task(p, GemmJob(*size, *rng.integers(0, 2, 2).tolist()), rng) for size in sizes]
    rng.shuffle(tasks)  # type: ignore[arg-type]
    return tasks


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize(
    "given",
    [
        SMALL,
        later({"rows": 1, "cols": 3, "lanes": 1, "depth": 32, "a": "HFP8", "b": "HFP8"}),
        later({"rows": 3, "cols": 1, "lanes": 4, "depth": 32, "a": "E4M3", "acc": "BF16"}),
        later({"rows": 2, "cols": 3, "lanes": 2, "depth": 16, "a": "E5M2", "b": "HFP8",
               "acc": "FP16", "rounding": "RDN", "stages": 2}),
        later({"rows": 4, "cols": 2, "lanes": 2, "depth": 32, "a": "E4M3FN", "b": "E5M2",
               "acc": "FP32", "overflow": "saturate", "stages": 6}),
        later({"rows": 1, "cols": 1, "lanes": 8, "depth": 2, "acc": "E5M2"}),
    ],
)  # fmt: skip
def test_every_small_job_equals_golden(given: dict[str, Any], simulator: str) -> None:
    """At full speed; with pauses on all streams; and after resets in mid-job."""
    p = CoreParameters(**given)
    tasks = [task for task in every_job(p, 2) if fits(p, task.job)]
    found = core.run(p, simulator, [Phase(tasks), Phase(tasks[:30], 0.4, [31, 90])], seed=3)
    wanted = sum(task.job.m * task.job.n for task in tasks + tasks[:30])
    assert found.good and found.results == wanted, found


def fits(p: CoreParameters, job: GemmJob) -> bool:
    try:
        p.check(job)
    except ParameterError:
        return False
    return True


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # Results of the row below C are said to be part of it, columns come too late, a lane
        # beyond K counts, a job ends early.
        later("column.rows >= r", "column.rows >= 0"),
        later("Mux(last_b, job.edges[1], cols - 1)", "job.edges[1]"),
        ("left > n for n", "left >= n for n"),
        later("last & last_a & last_b", "last & last_b"),
    ],
)
def test_faults_are_found(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults planted in the generator's source."""
    import hfp8_hw.hdl.core as room
    from hfp8_hw.hdl.core import drain, gemm_core, loader, sequencer

    p = CoreParameters(**SMALL)
    for module in (loader, sequencer, drain, gemm_core):
        path = str(module.__file__)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if old not in text:
            continue
        space = vars(module).copy()
        exec(compile(text.replace(old, new), path, "exec"), space)
        name = module.__name__.rpartition(".")[2]
        target = gemm_core if name != "gemm_core" else None
        if target is None:
            made = space["GemmCore"]
        else:
            monkeypatch.setattr(gemm_core, name, space[name])
            made = room.GemmCore
        monkeypatch.setattr(core, "GemmCore", made)
        break
    else:
        raise AssertionError(f"{old} is nowhere")
    tasks = [random_task(p, GemmJob(m, n, k), np.random.default_rng(1))
             for m, n, k in ((3, 3, 3), (1, 4, 2), (5, 3, 5))]  # fmt: skip
    try:
        found = core.run(p, "icarus", [Phase(tasks)])
    except ValueError:
        return  # The bench could not even read such a frame.
    assert not found.good


def test_clocks_are_those_of_the_model() -> None:
    p, rng = CoreParameters(**SMALL), np.random.default_rng(2)
    lists = [
        [(1, 1, 1)], [(2, 2, 8)], [(8, 8, 16)], [(8, 8, 2)], [(8, 8, 16)] * 4, [(8, 8, 2)] * 3,
        [(1, 8, 16), (8, 1, 3), (5, 5, 5), (2, 2, 40)],
    ]  # fmt: skip
    jobs = [[GemmJob(*sizes) for sizes in some] for some in lists]
    phases = [Phase([random_task(p, job, rng) for job in some]) for some in jobs]
    found = core.run(p, "icarus", phases)
    assert found.good
    assert found.clocks == [p.cycles(some) + MASTERS for some in jobs]


def test_utilisation() -> None:
    """The products of a job by those that the array could have computed, job after job."""
    p = CoreParameters(rows=4, cols=8, lanes=8, depth=4096)
    for size, least in ((256, 0.97), (64, 0.9)):
        job = GemmJob(size, size, size)
        clocks = (p.cycles([job] * 8) - p.cycles([job] * 4)) / 4
        assert size**3 / (p.rows * p.cols * p.lanes) / clocks >= least


@pytest.mark.parametrize("acc", ["DLFLOAT16", "FP16", "E5M2"])
def test_golden_jobs_equal_exact_rationals(acc: str) -> None:
    rng = np.random.default_rng(5)
    job = GemmJob(3, 2, 7, 1, 0)
    a, b = rng.integers(0, 256, (3, 7)), rng.integers(0, 256, (7, 2))
    codes, flags = gemm_job(job, a, b, "HFP8", "E4M3", acc, rounding="RNE")
    formats = parse_format("HFP8_BWD"), parse_format("E4M3")
    for m, n in itertools.product(range(3), range(2)):
        x, y = ([scalar.decode(int(code), fmt) for code in row]
                for row, fmt in zip((a[m], b[:, n]), formats, strict=True))  # fmt: skip
        wanted = scalar.dot(x, y, parse_format(acc), parse_rounding("RNE"), "special", "exact")
        assert (int(codes[m, n]), int(flags[m, n])) == wanted


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GemmJob(0, 1, 1), "m=0 is not allowed: an integer from 1 to 65535"),
        (lambda: GemmJob(1, 1, 1, 2), "mode_a=2 is not allowed: an integer from 0 to 1"),
        (lambda: CoreParameters(rows=0), "rows=0 is not allowed: an integer from 1 to 32"),
        (lambda: CoreParameters(lanes=3), "lanes=3 is not allowed: one of 1, 2, 4"),
        (lambda: CoreParameters(depth=48), "depth=48 is not allowed: a power of two"),
        (lambda: CoreParameters(acc="fixed"), "acc='fixed' is not allowed for a core: a format"),
        (lambda: CoreParameters(**SMALL).check(GemmJob(1, 1, 65)),
         "k=65 is not allowed: at most 64, the products of 32 words"),
        (lambda: CoreParameters(**SMALL).check(GemmJob(5, 1, 32)),
         "m=5 is not allowed with k=32: at most 4, as a bank holds 32 words of a job"),
        (lambda: gemm_job(GemmJob(1, 2, 3), [[1, 2]], [[1]], "E4M3", "E4M3", "FP16"),
         r"a of shape (1, 2) is not allowed: (1, 3)"),
    ],
)  # fmt: skip
def test_what_is_not_allowed(make: Any, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert said in str(caught.value)
