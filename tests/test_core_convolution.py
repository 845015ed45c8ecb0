"""Convolutions on the core against golden, and golden's against exact rationals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError
from hfp8_hw.formats import parse_format
from hfp8_hw.golden import gemm_job, scalar, stored_kernel, stored_map
from hfp8_hw.jobs import Convolution, GemmJob, JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.rounding import parse_rounding
from rtl_gen.package import generate
from verif.core.kinds.convolutions import random_shape
from verif.core.program import Program
from verif.core.run_core import run

from .conftest import check_lint, later

SMALL: dict[str, Any] = {"rows": 2, "cols": 2, "lanes": 2, "convolution": "yes"}
SEED = 3


def test_a_convolution_with_padding_equals_golden() -> None:
    p = CoreParameters(**SMALL)
    shape = Convolution.of((4, 5, 3), (3, 3), p.lanes, padding=1)
    program = Program(p)
    program.random(np.random.default_rng(SEED), shape.job(3))
    found = run(generate(p), "icarus", [program], seed=SEED)
    assert (found.mismatches, found.first, found.results) == (0, None, 60)
    taps = (2 + 3 + 3 + 2) * (2 + 3 + 3 + 3 + 2)
    assert found.counters[0]["MACS"] == 3 * 3 * taps
    # A block a clock: tiles of rows, of columns in each line, taps, blocks of channels.
    assert found.counters[0]["BUSY"] == 2 * 4 * 3 * 9 * 2


def test_depthwise_on_a_map_that_stays() -> None:
    """A job for each channel; only the first of them loads the map."""
    p, rng = CoreParameters(**SMALL), np.random.default_rng(SEED)
    program = Program(p)
    for group in range(5):
        shape = Convolution.of((5, 5, 5), (3, 3), 2, stride=2, padding=1, groups=5, group=group)
        program.random(rng, shape.job(1, load_b=group == 0))
    found = run(generate(p), "icarus", [program], seed=SEED)
    assert (found.mismatches, found.first, found.results) == (0, None, 5 * 9)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"cols": 4, "epilogue": "full"}])
def test_the_package_reads_without_a_warning(more: dict[str, Any], tmp_path: Path) -> None:
    check_lint("core", {**SMALL, **more}, tmp_path)


def test_random_shapes_are_of_every_kind() -> None:
    rng, p = np.random.default_rng(SEED), CoreParameters(**SMALL)
    shapes = [random_shape(p, rng) for _ in range(600)]
    kinds = {(c.kernel_height, c.kernel_width, c.stride, c.dilation) for c in shapes}
    assert len(kinds) == 81
    assert {c.pad_left for c in shapes} == {c.pad_top for c in shapes} == {0, 1, 2, 3}
    assert any(c.first_channel % 2 and c.channels == 1 < c.map_channels for c in shapes)


@pytest.mark.parametrize(
    ("given", "job", "error"),
    [
        ({}, {}, JobError.NONE),
        ({}, {"stride": 0}, JobError.SHAPE),
        ({}, {"dilation": 0}, JobError.SHAPE),
        ({}, {"kernel_height": 0}, JobError.EMPTY),
        ({}, {"width": 0}, JobError.SHAPE),
        ({}, {"channels": 4}, JobError.SHAPE),
        ({}, {"first_channel": 1}, JobError.SHAPE),
        ({}, {"out_width": 0}, JobError.EMPTY),
        ({}, {"height": 3000}, JobError.LARGE_B),
        ({}, {"height": 20000}, JobError.SHAPE),
        ({"terms": 17}, {}, JobError.LONG),
        ({"convolution": "no"}, {}, JobError.CONVOLUTION),
    ],
)
def test_reasons(given: dict[str, Any], job: dict[str, Any], error: JobError) -> None:
    shape = replace(Convolution.of((4, 5, 3), (3, 3), 2, padding=1), **job)
    assert CoreParameters(**{**SMALL, **given}).refusal(shape.job(3)) is error


def wrong_jobs() -> list[GemmJob]:
    """Such that are refused, each for another reason."""
    shape = Convolution.of((4, 5, 3), (3, 3), 2, padding=1)
    changes: list[dict[str, Any]] = [
        {"stride": 0}, {"dilation": 0}, {"width": 0}, {"channels": 4}, {"kernel_width": 0},
        {"height": 3000}, {"height": 20000}, {"out_height": 0}, {"map_channels": 60000},
    ]  # fmt: skip
    good = shape.job(2)
    return [
        *(replace(shape, **change).job(2) for change in changes),
        replace(good, transpose_b=False), replace(good, n=21), replace(good, k=34),
        replace(good, k=2, convolution=replace(shape, kernel_width=0)),
    ]  # fmt: skip


@pytest.mark.parametrize("convolution", ["yes", later("no")])
def test_refused_between_good_jobs(convolution: str) -> None:
    p = CoreParameters(**{**SMALL, "convolution": convolution})
    rng, program = np.random.default_rng(SEED), Program(p, stall=0.1)
    good = Convolution.of((2, 3, 2), (2, 2), 2, padding=1).job(1)
    for job in wrong_jobs():
        for one in (job, good if convolution == "yes" else GemmJob(2, 2, 2)):
            if convolution == "no" and one.convolution is not None:
                # The registers that describe it are not there.
                one = replace(one, convolution=None)
            program.random(rng, one)
    found = run(generate(p), "icarus", [program], seed=SEED)
    assert (found.mismatches, found.first) == (0, None)
    if convolution == "yes":
        assert len(program.refusals()) == len(wrong_jobs())


def windows(c: Convolution, x: np.ndarray, w: np.ndarray) -> Any:
    """For each result, its products' codes: (of the kernel, of the map)."""
    for m, oy, ox in np.ndindex(len(w), c.out_height, c.out_width):
        pairs = []
        for ky, kx, k in np.ndindex(c.kernel_height, c.kernel_width, c.channels):
            y = oy * c.stride - c.pad_top + ky * c.dilation
            z = ox * c.stride - c.pad_left + kx * c.dilation
            if 0 <= y < c.height and 0 <= z < c.width:
                pairs.append((int(w[m, ky, kx, k]), int(x[y, z, c.first_channel + k])))
        yield m, oy * c.out_width + ox, pairs


@pytest.mark.parametrize("rounding", ["RNE", "RDN"])
@pytest.mark.parametrize("number", range(6))
def test_golden_equals_exact_rationals(number: int, rounding: str) -> None:
    rng = np.random.default_rng(number)
    c = random_shape(CoreParameters(**{**SMALL, "cols": 4}), rng)
    x = rng.integers(0, 256, (c.height, c.width, c.map_channels))
    w = rng.integers(0, 256, (2, c.kernel_height, c.kernel_width, c.channels))
    # NaN, infinities and -0 that must not count, where nothing is taken.
    a, b = stored_kernel(c, w), stored_map(c, x)
    formats = parse_format("E5M2"), parse_format("E4M3FN")
    codes, flags = gemm_job(c.job(2), a, b, "E5M2", "E4M3FN", "FP16", rounding=rounding, flags=True)
    for m, n, pairs in windows(c, x, w):
        u, v = (
            [scalar.decode(pair[side], fmt) for pair in pairs] for side, fmt in enumerate(formats)
        )
        wanted = scalar.dot(
            u, v, parse_format("FP16"), parse_rounding(rounding), "special", "exact"
        )
        assert (int(codes[m, n]), int(flags[m, n])) == wanted


@pytest.mark.parametrize("semantics", ["exact", "exact_chunk"])
def test_a_kernel_of_one_tap_is_a_product(semantics: str) -> None:
    rng = np.random.default_rng(SEED)
    c = Convolution.of((3, 4, 10), (1, 1), 2)
    a, b = rng.integers(0, 256, (3, 10)), rng.integers(0, 256, (12, 10))
    how: dict[str, Any] = {"semantics": semantics, "chunk": 4, "flags": True}
    formats = ("HFP8", "HFP8", "DLFLOAT16")
    found = gemm_job(c.job(3), a, b, *formats, **how)
    wanted = gemm_job(GemmJob(3, 12, 10, transpose_b=True), a, b, *formats, **how)
    assert all((x == y).all() for x, y in zip(found, wanted, strict=True))


@pytest.mark.parametrize("change", [
    {}, {"n": 19}, {"n": 21}, {"k": 35}, {"k": 40}, {"transpose_b": False},
    *({"convolution": one} for one in (
        {"stride": 0}, {"dilation": 0}, {"kernel_height": 0}, {"width": 0}, {"channels": 4},
        {"first_channel": 1}, {"height": 20000}, {"out_height": 3},
    )),
])  # fmt: skip
def test_golden_takes_a_job_only_with_the_sizes_of_its_convolution(change: dict[str, Any]) -> None:
    shape = Convolution.of((4, 5, 3), (3, 3), 2, padding=1)
    good = shape.job(2)
    if "convolution" in change:
        change = {"convolution": replace(shape, **change["convolution"])}
    job = replace(good, **change)
    a, b = np.zeros(job.a_shape, np.uint8), np.zeros(job.b_shape, np.uint8)
    if job == good:
        assert gemm_job(job, a, b, *["HFP8_FWD"] * 2, "DLFLOAT16").shape == (2, 20)
        return
    with pytest.raises(ParameterError, match="allowed: the convolution's stride"):
        gemm_job(job, a, b, *["HFP8_FWD"] * 2, "DLFLOAT16")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CoreParameters(cols=3, lanes=1, convolution="yes"),
         "cols=3 is not allowed for convolution='yes': a power of two"),
        (lambda: CoreParameters(semantics="chunked", convolution="yes"),
         "convolution='yes' is not allowed for semantics='chunked': no"),
        (lambda: CoreParameters(convolution="maybe"), "convolution='maybe' is not allowed"),
        (lambda: Convolution.of((2, 9, 1), (3, 3), 2), "kernel=(3, 3) is not allowed"),
        (lambda: Convolution.of((9, 9, 4), (3, 3), 2, groups=3), "groups=3 is not allowed"),
        (lambda: Convolution.of((9, 9, 4), (3, 3), 2, stride=0), "stride=0 is not allowed"),
        (lambda: Convolution.of((9, 9), (3, 3), 2),  # type: ignore[arg-type]
         "map_shape=(9, 9) is not allowed: (height, width, channels)"),
        (lambda: Convolution.of((9, 9.0, 4), (3, 3), 2),  # type: ignore[arg-type]
         "map_shape[1]=9.0 is not allowed: an integer from 0 to 65535"),
        (lambda: Convolution.of((9, 9, 4), 3, 2),  # type: ignore[arg-type]
         "kernel=3 is not allowed: (height, width)"),
        (lambda: Convolution.of((9, 9, 4), (3, 3), 0), "lanes=0 is not allowed: an integer from 1"),
        (lambda: GemmJob(1, 1, 1, convolution=3),  # type: ignore[arg-type]
         "convolution=3 is not allowed: a Convolution or None"),
        (lambda: stored_map(Convolution.of((1, 1, 1), (1, 1), 2), [[[0.5]]]),
         "codes has dtype 'float64', which is not allowed: integer codes"),
        (lambda: stored_map(Convolution.of((2, 2, 1), (1, 1), 2), [[0]]), "codes of shape (1, 1)"),
        (lambda: stored_kernel(Convolution.of((2, 2, 1), (1, 1), 2), [[0]]),
         "codes of shape (1, 1)"),
    ],
)  # fmt: skip
def test_what_is_not_allowed(make: Any, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert said in str(caught.value)
