"""The golden engine against `golden.dot`, which knows no fast way."""

from typing import Any

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from hfp8_hw.errors import ParameterError
from hfp8_hw.golden import dot
from hfp8_hw.golden.engine import GoldenEngine, ProductJob, Sums, Windows, golden_engine
from hfp8_hw.golden.fast import jit, wide
from hfp8_hw.golden.fast import windows as fast_windows

SEED = 7
SUMS = [Sums(), Sums(chunk=16), Sums(semantics="exact"), Sums(semantics="exact_chunk", chunk=32)]


def want(job: ProductJob, columns: np.ndarray) -> np.ndarray:
    """By `dot`: columns are (groups, k, n)."""
    return dot(
        job.a[:, :, None, :], columns.swapaxes(1, 2)[:, None], job.fmt_a, job.fmt_b, job.sums.acc,
        semantics=job.sums.semantics, chunk=job.sums.chunk,
    )  # fmt: skip


@pytest.mark.parametrize("sums", SUMS, ids=str)
@pytest.mark.parametrize("fmt", ["HFP8_FWD", "HFP8_BWD", "E4M3FN"])
def test_products_have_the_bits_of_dot(
    fmt: str, sums: Sums, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jit, "_WORTH_COMPILING", 0)
    rng = np.random.default_rng(SEED)
    a, b = (rng.integers(0, 256, shape, np.uint8) for shape in ((2, 17, 150), (2, 150, 9)))
    if fmt != "HFP8_FWD":  # Few NaN, so that most sums are numbers; (1,5,2) overflows by itself.
        for x in (a, b):
            x[(x & 0x7F) == 0x7F] = 1
            x[rng.random(x.shape) < 0.6] &= 0xBF
    a[0, 0, 3], a[1, 1], b[1, :, 2] = 0x7F, 0x80, 0x01
    job = ProductJob(a, b, fmt, fmt, sums)
    expected = want(job, b)
    assert (GoldenEngine().run(job) == expected).all()
    assert len(np.unique(expected)) > 100


def test_small_sums_are_rounded_to_0_or_the_smallest_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of (1,5,2) that lie below the smallest value of (1,6,9), of both signs."""
    monkeypatch.setattr(jit, "_WORTH_COMPILING", 0)
    rng = np.random.default_rng(SEED)
    codes = np.array([0x00, 0x80, 0x01, 0x81, 0x02, 0x83, 0x05, 0x88], np.uint8)
    a, b = rng.choice(codes, (1, 40, 30)), rng.choice(codes, (1, 30, 40))
    job = ProductJob(a, b, "HFP8_BWD", "HFP8_BWD", Sums(chunk=8))
    expected = want(job, b)
    assert {0, 0x8000, 1, 0x8001} <= set(expected.reshape(-1).tolist())
    assert (GoldenEngine().run(job) == expected).all()


def test_the_wide_way_is_refused_where_it_would_be_wrong() -> None:
    from hfp8_hw.golden.dot import accumulator

    x = np.array([1.0, 2.0**-45])
    dlfloat = accumulator("DLFLOAT16", None, None)
    assert not wide.chunked_applies(x, x, dlfloat)
    assert not wide.chunked_applies(np.array([np.inf]), x[:1], dlfloat)
    assert not wide.chunked_applies(x[:1], x[:1], accumulator("FP16", None, None))
    assert not wide.chunked_applies(x[:1], x[:1], accumulator("DLFLOAT16", "RNE", None))
    assert wide.exact_applies(x[:1], x, 1 << 7) and not wide.exact_applies(x, x, 1)


@pytest.mark.parametrize("sums", [Sums(), Sums(chunk=3), Sums("BF16")], ids=str)
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("windows", [
    Windows((3, 2), (2, 1), (1, 2), (1, 0, 2, 1)), Windows((1, 1)), Windows((1, 5), (1, 3)),
    Windows((2, 3), (3, 2), (2, 3), (0, 4, 7, 0)), Windows((3, 3), (1, 1), (9, 9), (9, 9, 9, 9)),
])  # fmt: skip
def test_windows_are_those_of_loops(
    windows: Windows, direct: bool, sums: Sums, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jit, "_WORTH_COMPILING", 0 if direct else 1 << 30)
    monkeypatch.setattr(golden_engine, "_WORTH_A_TASK", 500)
    monkeypatch.setattr(fast_windows, "_PLACES", 30)
    calls: list[slice] = []

    def convolve(*arguments: Any) -> None:
        calls.append(arguments[-1])
        whole(*arguments)

    whole = fast_windows.convolve
    monkeypatch.setattr(fast_windows, "convolve", convolve)
    rng = np.random.default_rng(SEED)
    images = rng.integers(0, 256, (3, 4, 9, 8), np.uint8)
    kernel = rng.integers(0, 256, (2, 5, 2 * windows.taps), np.uint8)
    job = ProductJob(kernel, images, "HFP8_FWD", "HFP8_FWD", sums, windows)
    top, left, bottom, right = windows.pads
    held = np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)))
    columns = np.zeros((2, job.k, job.n), np.uint8)
    lines, across = job.places
    for group in range(2):
        for n, (image, y, x) in enumerate(np.ndindex(3, lines, across)):
            columns[group, :, n] = [
                held[image, 2 * group + c, y * windows.strides[0] + i * windows.dilations[0],
                     x * windows.strides[1] + j * windows.dilations[1]]
                for i in range(windows.kernel[0]) for j in range(windows.kernel[1])
                for c in range(2)
            ]  # fmt: skip
    done: list[int] = []
    found = GoldenEngine().run(job, done.append)
    assert (found == want(job, columns)).all()
    assert sum(done) == job.macs
    assert bool(calls) == direct


def test_kernels_are_found_again_in_the_next_process() -> None:
    """numba keeps no kernel that calls another compiled function: by its key it is a new one."""
    kernels = jit.kernels(1 << 40)
    assert kernels is not None
    every = [kernels.quantize, kernels.stochastic, kernels.wide, *kernels.matmul.values(),
             kernels.nearest(3, True, True, True, 1), fast_windows._kernel(False)]  # fmt: skip
    for kernel in every:
        assert isinstance(kernel, Dispatcher)
        held = [cell.cell_contents for cell in kernel.py_func.__closure__ or ()]
        assert not any(isinstance(one, Dispatcher) for one in held)


def test_what_is_no_job_is_refused() -> None:
    codes = np.zeros((1, 2, 3), np.uint8)
    with pytest.raises(ParameterError, match=r"^shapes a \(1, 2, 3\), b \(1, 2, 3\) are not"):
        ProductJob(codes, codes, "HFP8_FWD", "HFP8_FWD", Sums())
    with pytest.raises(ParameterError, match="semantics='fma' is not allowed"):
        Sums(semantics="fma")
    job = ProductJob(codes, codes.swapaxes(1, 2), "FP16", "FP16", Sums())
    with pytest.raises(ParameterError, match="fmt_a='FP16' is not allowed: a format of at most 8"):
        GoldenEngine().run(job)
