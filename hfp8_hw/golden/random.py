"""The random words of the hardware's own generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import check_int

SEED_RANGE = (1, (1 << 32) - 1)


def xorshift32(seed: int, count: int) -> NDArray[np.uint32]:
    """The first ``count`` words of Marsaglia's 32-bit xorshift generator with shifts 13, 17, 5.

    Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003, section 3; period
    2**32 - 1.

    Parameters
    ----------
    seed : int
        1 to 2**32 - 1; the word before the first.
    count : int

    Raises
    ------
    ParameterError
        For another seed.
    """
    word = check_int("seed", seed, *SEED_RANGE)
    words = np.empty(count, np.uint32)
    for k in range(count):
        word ^= word << 13 & 0xFFFFFFFF
        word ^= word >> 17
        word ^= word << 5 & 0xFFFFFFFF
        words[k] = word
    return words
