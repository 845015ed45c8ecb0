"""What the core is asked to do: one matrix product, and why one may be refused."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

from .errors import ParameterError, check_int
from .formats import SCALE_RANGE

MAX_SIZE = 65535
"""The largest m, n and k that a job can name."""

MAX_PAGES = 16

BUS_ADDRESS_BITS = 32
"""Of the port to memory: byte addresses."""


class JobError(IntEnum):
    """Why the core refused a job; the error code that it shows; `REASONS` has the words."""

    NONE = 0
    EMPTY = 1
    LONG = 2
    LARGE_A = 3
    LARGE_B = 4
    MODE = 5
    PAGE = 6
    # 7 is `hfp8_hw.registers.QUEUE_FULL`.
    EPILOGUE = 8
    BIAS = 9
    STORE = 10
    LARGE_Y = 11
    ADDRESS = 12
    # 13 and 14 are errors of the bus, in `hfp8_hw.registers.OTHER_ERRORS`.


REASONS = {
    JobError.EMPTY: "m, n or k is 0",
    JobError.LONG: "k is larger than the parameter terms",
    JobError.LARGE_A: "A does not fit a page",
    JobError.LARGE_B: "B does not fit a page",
    JobError.MODE: "the operand's or the result's format has no mode 1",
    JobError.PAGE: "there is no such page",
    JobError.EPILOGUE: "the parameter epilogue leaves out what the job asks for",
    JobError.BIAS: "n is larger than the parameter bias_size",
    JobError.STORE: "the result cannot be kept: it is not quantized, its page is A's, y is no "
    "format of a, or drains is not rows",
    JobError.LARGE_Y: "the result does not fit a page",
    JobError.ADDRESS: "an address is no multiple of the bytes of the bus",
}
"""What each error means."""


@dataclass(frozen=True)
class Addresses:
    """Where a job of a core with ``ports=memory`` finds its matrices, and puts its results.

    An address of which the job makes no use may be any.

    Members
    -------
    a, b, bias, c, y : int
        Byte addresses, 0 to 2**32-1: of the operands, the bias, what C held before, the results.

    Raises
    ------
    ParameterError
        For an address out of range.
    """

    a: int = 0
    b: int = 0
    bias: int = 0
    c: int = 0
    y: int = 0

    def __post_init__(self) -> None:
        for f in fields(self):
            check_int(f.name, getattr(self, f.name), 0, (1 << BUS_ADDRESS_BITS) - 1)


@dataclass(frozen=True)
class GemmJob:
    """C = op(A) op(B): m x k times k x n, and what becomes of it.

    The order is: sum, rounded to the accumulator's format; + what C held before; + bias; scale;
    ReLU; quantize.

    A job can say what a core refuses (`hfp8_hw.parameters.CoreParameters.refusal`), so that this
    can be tried too.

    Members
    -------
    m, n, k : int
        0 to 65535. C has m rows and n columns.
    transpose_a : bool
        A is stored as k x m, not as m x k.
    transpose_b : bool
        B is stored as n x k, not as k x n.
    mode_a, mode_b : int
        The operand's format where the core has two: 0 HFP8_FWD, 1 HFP8_BWD.
    load_a, load_b : bool
        The operand comes from its input stream into its page; else it is what the page has.
    page_a, page_b : int
        The page of the scratchpad, 0 to 15.
    relu : bool
        Put +0 in place of what is below 0.
    quantize : bool
        Give results in the 8-bit format of the parameter ``y``, not in the accumulator's.
    mode_y : int
        Which format that is where there are two: 0 HFP8_FWD, 1 HFP8_BWD.
    bias : bool
        Add a code to all results of a column.
    accumulate : bool
        Add what C held before.
    store : bool
        Keep the results, as a matrix of n x m, in a page of A's scratchpad.
    silent : bool
        Put no results on the output stream.
    page_y : int
        The page to keep them in, 0 to 15.
    scale : int
        Round results times 2**scale, -64 to 63.

    Raises
    ------
    ParameterError
        For a number that does not fit its field.
    """

    m: int
    n: int
    k: int
    transpose_a: bool = False
    transpose_b: bool = False
    mode_a: int = 0
    mode_b: int = 0
    load_a: bool = True
    load_b: bool = True
    page_a: int = 0
    page_b: int = 0
    relu: bool = False
    quantize: bool = False
    mode_y: int = 0
    bias: bool = False
    accumulate: bool = False
    store: bool = False
    silent: bool = False
    page_y: int = 0
    scale: int = 0

    def __post_init__(self) -> None:
        for name in ("m", "n", "k"):
            check_int(name, getattr(self, name), 0, MAX_SIZE)
        for name in ("mode_a", "mode_b", "mode_y"):
            check_int(name, getattr(self, name), 0, 1)
        for name in ("page_a", "page_b", "page_y"):
            check_int(name, getattr(self, name), 0, MAX_PAGES - 1)
        check_int("scale", self.scale, *SCALE_RANGE)
        for f in fields(self):
            value = getattr(self, f.name)
            if f.type == "bool" and not isinstance(value, bool):
                raise ParameterError(f"{f.name}={value!r} is not allowed: True or False")

    @property
    def a_shape(self) -> tuple[int, int]:
        """The shape of A as it is stored."""
        return (self.k, self.m) if self.transpose_a else (self.m, self.k)

    @property
    def b_shape(self) -> tuple[int, int]:
        """The shape of B as it is stored."""
        return (self.n, self.k) if self.transpose_b else (self.k, self.n)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The members of `Addresses` of which it makes use."""
        used = {"a": self.load_a, "b": self.load_b, "bias": self.bias, "c": self.accumulate,
                "y": not self.silent}  # fmt: skip
        return tuple(name for name, use in used.items() if use)

    @property
    def asks(self) -> tuple[str, ...]:
        """The members by which it asks for more than its sums on the output stream."""
        names = [f.name for f in fields(self)]
        more = names[names.index("relu") :]
        return tuple(name for name in more if getattr(self, name))
