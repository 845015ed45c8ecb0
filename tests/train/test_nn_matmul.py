"""Matrix products on tensors give golden's codes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from hfp8_hw import CATALOGUE, ParameterError, golden, nn
from hfp8_hw.golden import scalar
from hfp8_hw.nn.limits import chunk_limits, exact_limits
from hfp8_hw.rounding import Rounding

FWD, BWD, ACC = "HFP8_FWD", "HFP8_BWD", "DLFLOAT16"
PAIRS = ((FWD, FWD), (BWD, FWD), (FWD, BWD))


def codes(name: str, shape: tuple[int, ...], seed: int, specials: bool = False) -> np.ndarray:
    """Random codes of a format; without specials unless asked for."""
    rng, fmt = np.random.default_rng(seed), CATALOGUE[name]
    kind = np.uint8 if fmt.width <= 8 else np.uint16
    found = rng.integers(0, 1 << fmt.width, shape).astype(kind)
    if not specials and fmt.has_nan:
        found = np.where(found & fmt.mag_mask > fmt.max_code, 0, found).astype(kind)
    return found


def ours(a: np.ndarray, b: np.ndarray, *formats: str, **how: object) -> np.ndarray:
    return nn.to_numpy(nn.matmul(nn.from_numpy(a), nn.from_numpy(b), *formats, **how))  # type: ignore[arg-type]


def theirs(a: np.ndarray, b: np.ndarray, *formats: str, chunk: int | None = 64,
           semantics: str = "chunked") -> np.ndarray:  # fmt: skip
    if chunk is None:
        semantics, chunk = {"chunked": "fma", "exact_chunk": "exact"}[semantics], 64
    return golden.matmul(a, b, *formats, ACC, chunk=chunk, semantics=semantics)


@pytest.mark.parametrize("pair", [*PAIRS, (BWD, BWD), ("E5M2", "E4M3FN"), ("E4M3B11FNUZ", BWD)])
def test_every_pair_of_codes(pair: tuple[str, str]) -> None:
    """A product alone, NaN and infinities too."""
    every = np.arange(256, dtype=np.uint8)
    a, b = every[:, None], every[None, :]
    assert np.array_equal(ours(a, b, *pair), theirs(a, b, *pair))


@pytest.mark.parametrize("chunk", [64, 1, None, 7])
@pytest.mark.parametrize("depth", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("pair", PAIRS)
def test_depths_and_chunks(pair: tuple[str, str], depth: int, chunk: int | None) -> None:
    a, b = codes(pair[0], (5, depth), 1), codes(pair[1], (depth, 9), 2)
    assert np.array_equal(ours(a, b, *pair, chunk=chunk), theirs(a, b, *pair, chunk=chunk))


@pytest.mark.parametrize("depth", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("pair", PAIRS)
def test_exact_chunks(pair: tuple[str, str], depth: int) -> None:
    a, b = codes(pair[0], (5, depth), 3), codes(pair[1], (depth, 9), 4)
    how = {"semantics": "exact_chunk"}
    assert np.array_equal(ours(a, b, *pair, **how), theirs(a, b, *pair, semantics="exact_chunk"))


@pytest.mark.parametrize("how", ["chunked", "exact_chunk"])
def test_nan_overflow_and_cancellation(how: str) -> None:
    """Rows of NaN, of the largest and of the smallest values with both signs."""
    top, tiny = CATALOGUE[BWD].max_code, 1
    a = codes(BWD, (6, 6400), 5, specials=True)
    a[1:] = np.where(a[1:] & 0x7F == 0x7F, 0, a[1:])
    a[1], a[2], a[3] = top, top | 0x80, tiny
    a[3, ::2] |= 0x80
    a[4] = np.where(np.arange(6400) < 3200, top, top | 0x80)
    b = np.stack([np.full(6400, 127), np.full(6400, 1), codes(FWD, (6400,), 6)], 1).astype(np.uint8)
    got = ours(a, b, BWD, FWD, semantics=how)
    assert np.array_equal(got, theirs(a, b, BWD, FWD, semantics=how))
    assert (got[0] == 0x7FFF).all() and got[1, 0] == got[2, 0] == got[4, 0] == 0x7FFF


def exactly_below() -> tuple[np.ndarray, np.ndarray]:
    """Products that sum to 2**-31 and to -2**-31, and what comes after these.

    45 x 2**-31 is the smallest product. With a last product of -44 units the sum is one unit.
    """
    fwd = [0x01, 0x03, 0x05, 0x07]  # 9, 11, 13, 15 units of 2**-14
    bwd = {5: 0x01, 6: 0x02, 7: 0x03, 8: 0x04, 10: 0x05, 12: 0x06, 14: 0x07}  # of 2**-17
    rows, columns = [], []
    for left in (45, 55, 63, 77, 65, 75, 91):
        x = next((m, f) for m in bwd for f in (9, 11, 13, 15) if m * f == left)
        for m, code in bwd.items():
            for f in (9, 11, 13, 15):
                if abs(left - m * f) == 1:
                    for after in (0x00, 0x81, 0x38, 0xB8):
                        rows.append([bwd[x[0]], code | 0x80, after])
                        columns.append([fwd[(x[1] - 9) // 2], fwd[(f - 9) // 2], 0x2A])
    assert rows
    return np.array(rows, np.uint8), np.array(columns, np.uint8)


def test_a_sum_of_exactly_the_power_of_two_that_is_no_number() -> None:
    a, b = exactly_below()
    assert ours(a[:1, :2], b[:1, :2].T, BWD, FWD)[0, 0] & 0x7FFF == 1
    for pair, left, right in (((BWD, FWD), a, b.T), ((FWD, BWD), b, a.T)):
        for chunk in (64, 1, 2, None):
            got = ours(left, right, *pair, chunk=chunk)
            assert np.array_equal(got, theirs(left, right, *pair, chunk=chunk))
    one = scalar.quantize(Fraction(2) ** -31, CATALOGUE[ACC], Rounding("RNA"), "special")
    assert one[0] == 1


def test_wide_operands() -> None:
    """16 bits times 16 bits, and times 8: rounded in binary64."""
    for pair in ((ACC, ACC), (ACC, FWD), (BWD, ACC), (ACC, "FP16")):
        a, b = codes(pair[0], (7, 130), 8, True), codes(pair[1], (130, 5), 9)
        a[:, ::3] &= 0x87FF if a.dtype == np.uint16 else 0xFF
        assert np.array_equal(ours(a, b, *pair), theirs(a, b, *pair)), pair
    near = np.random.default_rng(1).integers(0x3C00, 0x4200, (2, 40, 64)).astype(np.uint16)
    near |= np.random.default_rng(2).integers(0, 2, near.shape).astype(np.uint16) << 15
    a, b = near[0], near[1].T
    assert np.array_equal(ours(a, b, ACC, ACC), theirs(a, b, ACC, ACC))


def test_batches_and_transposed_operands() -> None:
    a = nn.from_numpy(codes(FWD, (3, 1, 70, 4), 10)).transpose(-1, -2)
    b = nn.from_numpy(codes(BWD, (2, 6, 70), 11)).transpose(-1, -2)
    got = nn.to_numpy(nn.matmul(a, b, FWD, BWD))
    assert got.shape == (3, 2, 4, 6)
    for i in range(3):
        for j in range(2):
            want = theirs(nn.to_numpy(a[i, 0]), nn.to_numpy(b[j]), FWD, BWD)
            assert np.array_equal(got[i, j], want)


def tiny(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Codes of +-0 and the six smallest magnitudes of a format."""
    rng, fmt = np.random.default_rng(seed), CATALOGUE[name]
    found = rng.integers(0, 7, shape) | rng.integers(0, 2, shape) * fmt.sign_mask
    return found.astype(np.uint8 if fmt.width <= 8 else np.uint16)


LOW = ((BWD, BWD), (BWD, FWD), (FWD, BWD), ("E4M3FN", "FP16"))


@pytest.mark.parametrize("how", ["chunked", "exact_chunk"])
@pytest.mark.parametrize("pair", LOW)
def test_sums_that_round_to_a_zero_with_a_sign(pair: tuple[str, str], how: str) -> None:
    """One sum alone keeps a -0, as golden's fma and exact do; sums of chunks are added to +0."""
    formats = CATALOGUE[pair[0]], CATALOGUE[pair[1]]
    negative = 0
    for depth in range(1, 13):
        a, b = tiny(pair[0], (9, depth), depth), tiny(pair[1], (depth, 8), depth + 50)
        for chunk in (None, depth, 3):
            if how == "exact_chunk" and exact_limits(*formats, chunk or depth) is None:
                continue
            got = ours(a, b, *pair, chunk=chunk, semantics=how)
            assert np.array_equal(got, theirs(a, b, *pair, chunk=chunk, semantics=how))
            negative += int((got == 0x8000).sum()) if chunk is None else 0
            assert chunk != depth or not (got == 0x8000).any()
    assert bool(negative) == (pair not in PAIRS and (how, pair) != ("exact_chunk", (BWD, BWD)))


def test_empty_products() -> None:
    assert nn.matmul(torch.zeros(2, 0, dtype=torch.uint8), torch.zeros(0, 3, dtype=torch.uint8),
                     FWD, FWD).tolist() == [[0] * 3] * 2  # fmt: skip
    assert nn.matmul(torch.zeros(0, 4, dtype=torch.uint8), torch.zeros(4, 3, dtype=torch.uint8),
                     FWD, FWD).shape == (0, 3)  # fmt: skip


def test_what_the_limits_say() -> None:
    """By hand: 143 has units of 2**-14 and ends at 30, 152 units of 2**-17 and ends at 98304."""
    fwd, bwd = CATALOGUE[FWD], CATALOGUE[BWD]
    assert chunk_limits(fwd, fwd, 65536).plain
    backward = chunk_limits(bwd, fwd, 65536)
    assert (backward.single, backward.no_overflow) == (True, True)
    assert (backward.normal, backward.one_gap) == (False, True)
    assert not chunk_limits(bwd, bwd, 1).no_overflow
    assert not chunk_limits(CATALOGUE[ACC], CATALOGUE[ACC], 1).single
    assert exact_limits(fwd, fwd, 64) is not None
    assert exact_limits(bwd, bwd, 64) is None


def test_a_chunk_of_largest_products_comes_to_a_stop() -> None:
    a = np.full((1, 6000), CATALOGUE[BWD].max_code, np.uint8)
    b = np.full((6000, 1), CATALOGUE[FWD].max_code, np.uint8)
    assert ours(a, b, BWD, FWD, chunk=None) == theirs(a, b, BWD, FWD, chunk=None) == 0x7E00
    assert ours(a, b, BWD, FWD) == theirs(a, b, BWD, FWD) == 0x7FFF


def test_the_bound_on_a_chunk() -> None:
    """A chunk that passes does not overflow, one of twice as many largest products does."""
    x, y = CATALOGUE["AIU_143"], CATALOGUE["FP9"]
    longest = max(n for n in range(1, 1000) if chunk_limits(x, y, n).no_overflow)
    assert longest > 100
    for n, overflows in ((longest, False), (2 * longest, True)):
        a, b = np.full((1, n), x.max_code, np.uint8), np.full((n, 1), y.max_code, np.uint16)
        want = theirs(a, b, "AIU_143", "FP9", chunk=None)
        assert (want[0, 0] == 0x7FFF) == overflows
        assert np.array_equal(ours(a, b, "AIU_143", "FP9", chunk=None), want)


U8 = torch.zeros(2, 3, dtype=torch.uint8)
REFUSED = [
    ({"b": U8}, r"shapes \(2, 3\) and \(2, 3\) are not allowed: \(..., m, k\) and \(..., k, n\)"),
    ({"semantics": "fma"}, "semantics='fma' is not allowed: one of chunked, exact_chunk"),
    ({"chunk": 0}, "chunk=0 is not allowed: an integer from 1 to 65536"),
    ({"fmt_a": "FP32"}, "fmt_a='FP32' is not allowed: a format of up to 16 bits"),
    ({"a": U8.float()}, "a has dtype torch.float32, which is not allowed: a tensor of"),
    ({"fmt_a": BWD, "fmt_b": BWD, "semantics": "exact_chunk"},
     "chunk=64 is not allowed for exact_chunk of HFP8_BWD and HFP8_BWD"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_what_matmul_refuses(given: dict[str, object], said: str) -> None:
    given = {"a": U8, "b": U8.t(), "fmt_a": FWD, "fmt_b": FWD, **given}
    with pytest.raises(ParameterError, match=said):
        nn.matmul(**given)  # type: ignore[arg-type]
