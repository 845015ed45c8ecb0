"""The GPU's kernels, compiled for the CPU, and what launches them, give golden's codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hfp8_hw import CATALOGUE, nn
from hfp8_hw.nn.kernels import gemm
from hfp8_hw.nn.kernels.launch import Launch
from hfp8_hw.nn.kernels.plan import SHAPES, Plan, choose

from .test_nn_matmul import BWD, FWD, codes, exactly_below, theirs, tiny


def check(host: Launch, a: np.ndarray, b: np.ndarray, *pair: str, chunk: int | None = 64,
          exact: bool = False, plan: Plan | None = None,
          packed: bool = False) -> np.ndarray:  # fmt: skip
    formats = [CATALOGUE[name] for name in pair]
    got = gemm.matmul(nn.from_numpy(a), nn.from_numpy(b), *formats, chunk, exact, host, plan,
                      packed=packed)  # fmt: skip
    want = theirs(a, b, *pair, chunk=chunk, semantics="exact_chunk" if exact else "chunked")
    assert np.array_equal(nn.to_numpy(got), want)
    return want


def test_which_steps() -> None:
    fwd, bwd = CATALOGUE[FWD], CATALOGUE[BWD]
    assert [gemm.step(*pair, 64) for pair in ((fwd, fwd), (bwd, fwd), (fwd, bwd))] == [0, 1, 1]
    five = CATALOGUE["E5M2"]
    assert [gemm.step(*pair, 64) for pair in ((bwd, bwd), (five, five), (five, fwd))] == [2, 2, 0]
    assert not gemm.applies(CATALOGUE["DLFLOAT16"], fwd)


@pytest.mark.parametrize(
    ("pair", "shape", "chunk"),
    [
        ((FWD, FWD), (70, 130, 200), 64),
        ((BWD, FWD), (70, 65, 130), 64),
        ((FWD, BWD), (9, 300, 65), 64),
        ((FWD, FWD), (300, 16, 63), 64),
        ((BWD, FWD), (130, 20, 50), 7),
        ((FWD, BWD), (5, 3, 40), 1),
        ((BWD, BWD), (40, 40, 20), 64),
    ],
)
def test_rounded(host: Launch, pair: tuple[str, str], shape: tuple[int, int, int],
                 chunk: int) -> None:  # fmt: skip
    m, n, k = shape
    a, b = codes(pair[0], (m, k), 1, specials=m > 64), codes(pair[1], (k, n), 2)
    check(host, a, b, *pair, chunk=min(chunk, k))


def test_rounded_tiny_values(host: Launch) -> None:
    """152 and 143 of the lowest binade, where sums of exactly 2**-31 occur."""
    rng = np.random.default_rng(4)
    a = (rng.integers(0, 8, (40, 128)) | rng.integers(0, 2, (40, 128)) << 7).astype(np.uint8)
    b = (rng.integers(0, 8, (128, 40)) | rng.integers(0, 2, (128, 40)) << 7).astype(np.uint8)
    check(host, a, b, BWD, FWD)
    left, right = exactly_below()
    got = check(host, left, right.T, BWD, FWD, chunk=2)
    assert (check(host, left[:, :2], right.T[:2], BWD, FWD, chunk=2) & 0x7FFF == 1).any()
    assert got.shape == (len(left), len(left))


@pytest.mark.parametrize("pair", [(BWD, BWD), (BWD, FWD), ("E5M2", "E4M3FN")])
def test_one_sum_alone_keeps_a_negative_zero(host: Launch, pair: tuple[str, str]) -> None:
    found = 0
    for depth in (1, 2, 3, 9):
        a, b = tiny(pair[0], (20, depth), depth), tiny(pair[1], (depth, 17), depth + 50)
        want = check(host, a, b, *pair, chunk=None)
        found += int((want == 0x8000).sum())
        assert not (check(host, a, b, *pair, chunk=depth) == 0x8000).any()
        if pair != (BWD, BWD):
            check(host, a, b, *pair, chunk=None, exact=True)
    assert found or pair != (BWD, BWD)


@pytest.mark.parametrize(
    ("shape", "packed"), [*((shape, False) for shape in SHAPES), ((1, 4, 4, 4), True)]
)
def test_every_plan(host: Launch, shape: tuple[int, int, int, int], packed: bool) -> None:
    """More than one tile each way, NaN, in one piece and shared out, the edges of tiles."""
    pair, plan = ((FWD, FWD), Plan(*shape, 9)) if packed else ((BWD, FWD), Plan(*shape, 1))
    a, b = codes(pair[0], (plan.rows + 5, 26), 1), codes(pair[1], (26, plan.cols + 3), 2)
    a[3, 20] |= 0x7F
    want = check(host, a, b, *pair, chunk=12, plan=plan, packed=packed)
    assert packed or (want[3] == 0x7FFF).all()


@pytest.mark.parametrize("pair", [(FWD, FWD), (BWD, BWD)])
def test_codes_looked_up_once(host: Launch, pair: tuple[str, str]) -> None:
    """Whole words and single codes, operands that lie either way, chunks that are no multiple."""
    for (m, n, k), chunk in (((70, 68, 72), 64), ((9, 6, 65), 64), ((33, 20, 30), 7)):
        a, b = codes(pair[0], (m, k), 1, specials=True), codes(pair[1], (k, n), 2)
        a[1:] &= 0xBF
        for x, y in ((a, b), (np.asfortranarray(a), np.asfortranarray(b))):
            check(host, x, y, *pair, chunk=chunk, packed=True)


def test_which_plans() -> None:
    """Many sums: large tiles, whole sums. Few: the chunks are shared out. Narrow: narrow tiles."""
    assert choose(4096, 4096, 1, 64, 64) == Plan(1, 4, 4, 4, 64)
    assert choose(576, 64, 1, 98, 64).span < 98
    assert choose(100352, 16, 1, 3, 64).cols == 16
    assert choose(1, 1, 1, 1, 1).span == 1
    for m, n, batch, chunks in ((5, 3, 7, 2), (70, 65, 1, 1000), (10**6, 10, 1, 1)):
        plan = choose(m, n, batch, chunks, 64)
        assert 1 <= plan.span <= chunks and plan.threads <= 128


def test_blocks_that_do_not_share_out_the_chunks(host: Launch) -> None:
    """NaN, and sums that overflow between chunks."""
    plan = Plan(2, 2, 2, 4, 100)
    a, b = codes(BWD, (70, 200), 1, specials=True), codes(FWD, (200, 65), 2)
    check(host, a, b, BWD, FWD, plan=plan)
    top = np.full((3, 6400), CATALOGUE[BWD].max_code, np.uint8)
    want = check(host, top, np.full((6400, 2), CATALOGUE[FWD].max_code, np.uint8), BWD, FWD,
                 plan=plan)  # fmt: skip
    assert (want == 0x7FFF).all()


def test_overflow_between_chunks(host: Launch) -> None:
    a = np.full((3, 6400), CATALOGUE[BWD].max_code, np.uint8)
    a[1, 3200:] |= 0x80
    b = np.full((6400, 2), CATALOGUE[FWD].max_code, np.uint8)
    want = check(host, a, b, BWD, FWD)
    assert (want == 0x7FFF).all()


@pytest.mark.parametrize("pair", [(FWD, FWD), (BWD, FWD), (FWD, BWD)])
def test_exact(host: Launch, pair: tuple[str, str]) -> None:
    a, b = codes(pair[0], (67, 130), 3), codes(pair[1], (130, 9), 4)
    check(host, a, b, *pair, exact=True)


def test_batches_and_strides(host: Launch) -> None:
    a = nn.from_numpy(codes(FWD, (3, 70, 4), 10)).transpose(-1, -2)
    b = nn.from_numpy(codes(BWD, (6, 70), 11)).t().expand(3, 70, 6)
    formats = CATALOGUE[FWD], CATALOGUE[BWD]
    for x, y in ((a, b), (b.transpose(-1, -2), a.transpose(-1, -2))):
        pair = formats if x is a else formats[::-1]
        got = gemm.matmul(x, y, *pair, 64, False, host)
        assert torch.equal(got, nn.matmul(x, y, *pair))
