"""What a GEMM core is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import check_int

MAX_SIZE = 65535
"""Of each dimension: what a job's registers hold."""


@dataclass(frozen=True)
class GemmJob:
    """C = A B of codes: A is (m, k), B is (k, n).

    Parameters
    ----------
    m, n, k : int
        1 to 65535.
    mode_a, mode_b : int
        For operands in HFP8: 0 for (1,4,3), 1 for (1,5,2).

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    m: int
    n: int
    k: int
    mode_a: int = 0
    mode_b: int = 0

    def __post_init__(self) -> None:
        for name in ("m", "n", "k"):
            check_int(name, getattr(self, name), 1, MAX_SIZE)
        for name in ("mode_a", "mode_b"):
            check_int(name, getattr(self, name), 0, 1)
