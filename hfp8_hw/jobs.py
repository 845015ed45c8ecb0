"""What the core is asked to do: a matrix product or a convolution, and why one may be refused."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, replace
from enum import IntEnum
from typing import Any

from .errors import ParameterError, check_int, integer, shown
from .formats import SCALE_RANGE

MAX_SIZE = 65535
"""The largest m, n and k that a job can name."""

Size = tuple[int, int, int]
"""M, N and K of a product."""


def parse_size(name: str, value: object) -> Size:
    """M, N and K from a text like ``64x64x256``; ``name`` is what the user calls it.

    Raises
    ------
    ParameterError
        For anything else.
    """
    found: list[int] = []
    if isinstance(value, str):
        with suppress(ValueError):
            found = [integer(part) for part in value.split("x")]
    if len(found) != 3 or not all(1 <= size <= MAX_SIZE for size in found):
        raise ParameterError(
            f"{name}={shown(value)} is not allowed: MxNxK, each an integer from 1 to {MAX_SIZE}"
        )
    m, n, k = found
    return m, n, k


MAX_PAGES = 16

MAX_LANES = 64

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
    CONVOLUTION = 15
    SHAPE = 16


REASONS = {
    JobError.EMPTY: "m, n or k is 0",
    JobError.LONG: "k is larger than the parameter terms",
    JobError.LARGE_A: "A does not fit a page",
    JobError.LARGE_B: "B does not fit a page",
    JobError.MODE: "the operand's or the result's format has no mode 1",
    JobError.PAGE: "there is no such page",
    JobError.EPILOGUE: "the parameter epilogue leaves out what the job asks for",
    JobError.BIAS: "n, or with a convolution m, is larger than the parameter bias_size",
    JobError.STORE: "the result cannot be kept: it is not quantized, its page is A's, y is no "
    "format of a, or drains is not rows",
    JobError.LARGE_Y: "the result does not fit a page",
    JobError.CONVOLUTION: "the parameter convolution leaves out what the job asks for",
    JobError.SHAPE: "the convolution's stride, dilation or a size is 0, B is not stored as N x K, "
    "its channels are not in the map, or n or k does not belong to it",
    JobError.ADDRESS: "an address is no multiple of the bytes of the bus",
}
"""What each error means."""


@dataclass(frozen=True)
class Convolution:
    """How a job takes operand B: as the windows of a kernel that moves over a feature map.

    Members
    -------
    height, width : int
        Of the map, 0 to 65535.
    map_channels : int
        All that are stored with a position, 0 to 65535.
    first_channel, channels : int
        Those that the kernel takes, a group of them or all.
    kernel_height, kernel_width : int
        0 to 255.
    out_height, out_width : int
        Positions of the result, 0 to 65535.
    stride : int
        0 to 15, both ways.
    dilation : int
        From a tap of the kernel to the next, 0 to 255, both ways.
    pad_top, pad_left : int
        How far outside of the map the first window begins, 0 to 255. Where a window leaves the map
        nothing is added, also below and on the right.
    lanes : int
        Those of the core, 1 to 64.

    Raises
    ------
    ParameterError
        For a number that does not fit its field.
    """

    height: int
    width: int
    map_channels: int
    channels: int
    kernel_height: int
    kernel_width: int
    out_height: int
    out_width: int
    lanes: int
    stride: int = 1
    dilation: int = 1
    pad_top: int = 0
    pad_left: int = 0
    first_channel: int = 0

    def __post_init__(self) -> None:
        most = dict.fromkeys(
            ("kernel_height", "kernel_width", "dilation", "pad_top", "pad_left"), 255
        )
        most |= {"stride": 15, "lanes": MAX_LANES}
        for f in fields(self):
            low = 1 if f.name == "lanes" else 0
            check_int(f.name, getattr(self, f.name), low, most.get(f.name, MAX_SIZE))

    @classmethod
    def of(
        cls,
        map_shape: tuple[int, int, int],
        kernel: tuple[int, int],
        lanes: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        group: int = 0,
    ) -> Convolution:
        """The convolution of one of the ``groups`` of channels of a map (height, width, channels),
        with the same ``padding`` on all sides.

        Raises
        ------
        ParameterError
            If the kernel is larger than the padded map, groups do not divide the channels, or a
            number does not fit or is missing.
        """
        height, width, channels = _sizes("map_shape", map_shape, "height, width, channels")
        _sizes("kernel", kernel, "height, width")
        check_int("stride", stride, 1, 15)
        check_int("dilation", dilation, 1, 255)
        check_int("padding", padding, 0, 255)
        check_int("groups", groups, 1, max(channels, 1))
        check_int("group", group, 0, groups - 1)
        if channels % groups:
            raise ParameterError(
                f"groups={groups!r} is not allowed for {channels} channels: a divisor"
            )
        out = []
        for name, size, taps in zip(("height", "width"), (height, width), kernel, strict=True):
            check_int(f"kernel {name}", taps, 1, 255)
            room = size + 2 * padding - (taps - 1) * dilation - 1
            if room < 0:
                raise ParameterError(
                    f"kernel={kernel!r} is not allowed: with its dilation its {name} is larger "
                    f"than that of the padded map, {size + 2 * padding}"
                )
            out.append(room // stride + 1)
        own = channels // groups
        return cls(
            height, width, channels, own, kernel[0], kernel[1], out[0], out[1], lanes,
            stride, dilation, padding, padding,
            group * own,
        )  # fmt: skip

    @property
    def phase(self) -> int:
        """Positions of a line that are ``stride`` apart from each other, as they are stored."""
        return -(-self.width // max(self.stride, 1))

    @property
    def map_shape(self) -> tuple[int, int]:
        """(positions, channels) of the map as it is stored: in each line every ``stride``-th
        column from the first on, then from the second on, and so on, all rounded up to ``phase``.
        """
        return self.height * self.phase * self.stride, self.map_channels

    @property
    def positions(self) -> int:
        """Those of the result."""
        return self.out_height * self.out_width

    @property
    def tap_channels(self) -> range:
        """Channels of the map that a tap has columns of A for: whole blocks of ``lanes``, of which
        those that the kernel does not take count for nothing."""
        end = self.first_channel + self.channels
        first = self.first_channel // self.lanes
        return range(first * self.lanes, -(-end // self.lanes) * self.lanes)

    @property
    def depth(self) -> int:
        """Columns of A: taps line by line, in each `tap_channels`."""
        return self.kernel_height * self.kernel_width * len(self.tap_channels)

    def job(self, m: int, **options: Any) -> GemmJob:
        """The convolution with ``m`` channels in its result; ``options`` are other members."""
        return GemmJob(m, self.positions, self.depth, transpose_b=True, convolution=self, **options)


def _sizes(name: str, value: object, what: str) -> tuple[int, ...]:
    """A tuple or a list of as many integers as ``what`` has words."""
    if isinstance(value, tuple | list) and len(value) == len(what.split(", ")):
        return tuple(check_int(f"{name}[{i}]", size, 0, MAX_SIZE) for i, size in enumerate(value))
    raise ParameterError(f"{name}={shown(value)} is not allowed: ({what})")


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


@dataclass(frozen=True, repr=False)
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
        Add a code to all results of a column; with a convolution, of a row.
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
    convolution : Convolution or None
        B is a feature map, stored with the channels of a position side by side (``transpose_b``);
        its columns are the windows of a kernel: m, n and k are the result's channels, its positions
        and `Convolution.depth`.

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
    convolution: Convolution | None = None

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
                raise ParameterError(f"{f.name}={shown(value)} is not allowed: True or False")
        if not isinstance(self.convolution, Convolution | None):
            raise ParameterError(
                f"convolution={shown(self.convolution)} is not allowed: a Convolution or None"
            )

    def __repr__(self) -> str:
        """The sizes, and what is not as usual."""
        held = [
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if f.default is MISSING or getattr(self, f.name) != f.default
        ]
        return f"GemmJob({', '.join(held)})"

    @property
    def a_shape(self) -> tuple[int, int]:
        """The shape of A as it is stored."""
        return (self.k, self.m) if self.transpose_a else (self.m, self.k)

    @property
    def b_shape(self) -> tuple[int, int]:
        """The shape of B as it is stored."""
        if self.convolution is not None:
            return self.convolution.map_shape
        return (self.n, self.k) if self.transpose_b else (self.k, self.n)

    @property
    def convolve(self) -> bool:
        """B is a feature map."""
        return self.convolution is not None

    @property
    def biases(self) -> int:
        """Codes of a bias: one for each column of C, with a convolution for each row."""
        return self.n if self.convolution is None else self.m

    def moves(self, lanes: int) -> bool:
        """Whether it is no convolution, or one that a core with so many lanes can do."""
        c = self.convolution
        if c is None:
            return True
        names = ("height", "width", "channels", "kernel_height", "kernel_width", "stride",
                 "dilation")  # fmt: skip
        return (
            all(getattr(c, name) for name in names)
            and c.first_channel + c.channels <= c.map_channels
            and c.map_shape[0] <= MAX_SIZE
            and self.transpose_b
            and (self.n, self.k) == (c.positions, replace(c, lanes=lanes).depth)
        )

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
        more = names[names.index("relu") : names.index("convolution")]
        return tuple(name for name in more if getattr(self, name))


def check_job(job: object, name: str = "job") -> GemmJob:
    """Return ``job`` if it is one, else raise ParameterError."""
    if not isinstance(job, GemmJob):
        raise ParameterError(f"{name}={shown(job)} is not allowed: a GemmJob")
    return job
