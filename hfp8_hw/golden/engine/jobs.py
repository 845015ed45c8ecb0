"""The job that every engine takes: products of codes, and how they are summed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ...errors import ParameterError, check_choice, check_int, shown
from ...formats import parse_format

SUMS = ("chunked", "exact_chunk", "exact")

Progress = Callable[[int], None]
"""Is told how many more multiplications are done."""


def silent(more: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class Sums:
    """How products are summed, as `hfp8_hw.golden.dot` has it.

    Members
    -------
    acc : str
        The accumulator's format, in which results are.
    semantics : str
        ``chunked``, ``exact_chunk`` or ``exact``.
    chunk : int
        Products of a chunk.

    Raises
    ------
    ParameterError
        For a value that is not allowed.
    """

    acc: str = "DLFLOAT16"
    semantics: str = "chunked"
    chunk: int = 64

    def __post_init__(self) -> None:
        parse_format(self.acc, "acc")
        check_choice("semantics", self.semantics, SUMS)
        check_int("chunk", self.chunk, 1, 65536)


@dataclass(frozen=True)
class Windows:
    """How a kernel moves over a feature map; all pairs are (down, across).

    Members
    -------
    kernel, strides, dilations : (int, int)
    pads : (int, int, int, int)
        Places of code 0 above, on the left, below and on the right of the map.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        for name in ("kernel", "strides", "dilations"):
            for value in getattr(self, name):
                check_int(name, value, 1, 65535)
        for value in self.pads:
            check_int("pads", value, 0, 65535)

    @property
    def taps(self) -> int:
        """Of the kernel, of one channel."""
        return self.kernel[0] * self.kernel[1]

    def places(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result for a map of this size; 0 where no window fits."""
        found = []
        for k, size in enumerate((height, width)):
            room = size + self.pads[k] + self.pads[k + 2]
            reach = (self.kernel[k] - 1) * self.dilations[k] + 1
            found.append(max(0, (room - reach) // self.strides[k] + 1))
        return found[0], found[1]


@dataclass(frozen=True)
class ProductJob:
    """Products of matrices, for each group its own: C = A B, of any size.

    The result has the shape (groups, m, n), codes of ``sums.acc``: each is `hfp8_hw.golden.dot` of
    a row of A and a column of B, in the order of k.

    Members
    -------
    a : ndarray of uint8
        Codes, (groups, m, k).
    b : ndarray of uint8
        Codes, (groups, k, n). With ``windows`` a feature map, (images, groups * channels, height,
        width): a column of B is what a window holds of its group's channels, in the order (line of
        the kernel, column of the kernel, channel), and n goes over (image, line, column) of the
        result.
    fmt_a, fmt_b : str
        Formats of 8 bits without modes.
    sums : Sums
    windows : Windows or None

    Raises
    ------
    ParameterError
        For shapes that do not belong together.
    """

    a: NDArray[Any]
    b: NDArray[Any]
    fmt_a: str
    fmt_b: str
    sums: Sums
    windows: Windows | None = None

    def __post_init__(self) -> None:
        good = self.a.ndim == 3
        if good and self.windows is None:
            good = self.b.ndim == 3 and self.b.shape[:2] == (self.groups, self.k)
        elif good and self.windows is not None:
            good = self.b.ndim == 4 and self.b.shape[1] * self.windows.taps == self.groups * self.k
        if not good:
            shapes = f"a {self.a.shape!r}, b {self.b.shape!r}"
            raise ParameterError(f"shapes {shapes} are not allowed for windows={self.windows!r}: "
                                 f"{shown('(groups, m, k) and what belongs to it')}")  # fmt: skip

    @property
    def groups(self) -> int:
        """Products that are independent of each other."""
        return int(self.a.shape[0])

    @property
    def m(self) -> int:
        """Rows of A and of the result."""
        return int(self.a.shape[1])

    @property
    def k(self) -> int:
        """Products of a sum."""
        return int(self.a.shape[2])

    @property
    def places(self) -> tuple[int, int]:
        """Lines and columns of a convolution's result; of another product (1, n)."""
        if self.windows is None:
            return 1, int(self.b.shape[2])
        return self.windows.places(int(self.b.shape[2]), int(self.b.shape[3]))

    @property
    def n(self) -> int:
        """Columns of the result."""
        lines, columns = self.places
        return lines * columns * (1 if self.windows is None else int(self.b.shape[0]))

    @property
    def macs(self) -> int:
        """Products in all."""
        return self.groups * self.m * self.n * self.k


class Engine(Protocol):
    """What computes jobs. The same job gives the same codes on every engine."""

    def run(self, job: ProductJob, progress: Progress = silent) -> NDArray[Any]:
        """Codes of the results, (groups, m, n).

        Raises
        ------
        ParameterError
            For formats or sums that this engine does not have.
        """
        ...
