"""The random words of the hardware's own generator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import check_int

SEED_RANGE = (1, (1 << 32) - 1)
MAX_LANES = 64


JUMP = 1 << 26
"""Words between the subsequences of two lanes: 64 of them fit into the period."""


def lane_seeds(seed: int, lanes: int) -> list[int]:
    """The seed of each lane's subsequence: `JUMP` words after the one before; lane 0's is ``seed``.

    A step of the generator is linear over GF(2), so `JUMP` steps are a power of its matrix
    (Haramoto et al., "Efficient Jump Ahead for F2-Linear Random Number Generators", INFORMS
    Journal on Computing 20 (3), 2008, section 2).
    """
    check_int("seed", seed, *SEED_RANGE)
    check_int("lanes", lanes, 1, MAX_LANES)
    shifts = np.arange(32, dtype=np.uint64)

    def bits(words: NDArray[Any]) -> NDArray[np.uint8]:
        return ((words.astype(np.uint64)[:, None] >> shifts) & np.uint64(1)).astype(np.uint8)

    matrix = bits(np.array([xorshift32(1 << k, 1)[0] for k in range(32)]))
    for _ in range(JUMP.bit_length() - 1):
        matrix = (matrix.astype(np.int64) @ matrix % 2).astype(np.uint8)
    state, seeds = bits(np.array([seed])), []
    for _ in range(lanes):
        seeds.append(int((state[0].astype(np.uint64) << shifts).sum()))
        state = (state.astype(np.int64) @ matrix % 2).astype(np.uint8)
    return seeds


def xorshift32(seed: int, count: int) -> NDArray[np.uint32]:
    """The first ``count`` words of Marsaglia's 32-bit xorshift generator with shifts 13, 17, 5.

    Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003, section 3; period
    2**32 - 1.

    Parameters
    ----------
    seed : int
        1 to 2**32 - 1; the word before the first.
    count : int
        0 to 2**32 - 1.

    Raises
    ------
    ParameterError
        For another seed or count.
    """
    word = check_int("seed", seed, *SEED_RANGE)
    words = np.empty(check_int("count", count, 0, SEED_RANGE[1]), np.uint32)
    for k in range(count):
        word ^= word << 13 & 0xFFFFFFFF
        word ^= word >> 17
        word ^= word << 5 & 0xFFFFFFFF
        words[k] = word
    return words
