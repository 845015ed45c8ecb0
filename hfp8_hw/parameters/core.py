"""Parameters of the core, the matrix multiplier that the units are parts of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_int
from ..formats import HFP8, FloatFormat, parse_format, parse_operand
from ..jobs import MAX_PAGES, MAX_SIZE, Addresses, GemmJob, JobError
from ..rounding import (
    Rounding,
    check_overflow,
    default_overflow,
    default_rounding,
    parse_rounding,
)
from .base import DETERMINISTIC, OVERFLOW, ROUNDED, SPECIAL, Ports, parameter
from .convert import random_idle
from .dot import LANES, DotParameters
from .mac import MacParameters
from .product import TwoOperandParameters

CORE_SEMANTICS = ("exact",)
EPILOGUES = ("none", "quantize", "full")
CORE_PORTS = ("streams", "memory")
BUSES = (32, 64, 128)
BURSTS = (2, 4, 8, 16, 32, 64, 128, 256)
CORE_LANES = (1, *LANES)
USUAL_SIZE = 4096
"""Codes of a page, at the least, by default."""


@dataclass(frozen=True)
class Layout:
    """How a scratchpad holds an operand: what is read in a clock, and where codes lie.

    A clock reads ``outer`` x ``lanes`` codes of the operand, and the same block of a matrix that is
    stored the other way round. So the stored matrix is cut into squares of ``short`` x ``short``
    codes; ``groups`` squares side by side are a word, the square in row i of squares and column j
    of squares being in group (i + j) mod ``groups`` of word
    ``i * row_words + j // groups``. A stored row fills ``row_words`` words.

    Members
    -------
    outer, lanes : int
        Rows or columns of the array, and products a clock.
    codes : int
        What a page holds.
    """

    outer: int
    lanes: int
    codes: int

    @property
    def short(self) -> int:
        """The side of a square."""
        return min(self.outer, self.lanes)

    @property
    def long(self) -> int:
        """Codes of a beat of the input stream, a part of one stored row."""
        return max(self.outer, self.lanes)

    @property
    def groups(self) -> int:
        """Squares in a word."""
        return self.long // self.short

    @property
    def words(self) -> int:
        """Words of a page."""
        return self.codes // (self.outer * self.lanes)

    def row_words(self, columns: int) -> int:
        """Words, and beats, of a stored row."""
        return -(-columns // self.long)

    def matrix_words(self, shape: tuple[int, int]) -> int:
        """Words of a stored matrix."""
        return -(-shape[0] // self.short) * self.row_words(shape[1])


def _operand(name: str) -> Any:
    return parameter(
        HFP8,
        f"Format of the operand {name}. With HFP8, each job says which of its two formats {name} "
        "is in.",
        values="any format",
    )


def _size(name: str, side: str) -> Any:
    return parameter(
        0,
        f"Number of codes in a page of the scratchpad of operand {name}.",
        values=f"0 for the default, or {side} times lanes times a power of two, up to 2**24",
        shown=f"the least that holds {USUAL_SIZE}",
    )


@dataclass(frozen=True)
class CoreParameters(TwoOperandParameters):
    """The core: an array of rows x cols sums that takes jobs; see `hfp8_hw.golden.gemm_job`."""

    unit: ClassVar[str] = "core"
    summary: ClassVar[str] = "matrix product: an array of dot products, scratchpads, AXI ports"
    golden: ClassVar[str] = "hfp8_hw.golden:gemm_job"
    max_stages: ClassVar[int] = 4
    in_name: ClassVar[tuple[str, ...]] = ("rows", "cols", "lanes", "a", "b", "acc", "semantics")

    stages: int = parameter(
        4,
        "Number of register stages from the decoded operands to the running sum, those of the "
        "adder tree aside. More of them allow a faster clock.",
        values="2 to 4",
    )
    rows: int = parameter(4, "Number of rows of C in a tile.", values="1 to 64")
    cols: int = parameter(4, "Number of columns of C in a tile.", values="1 to 64")
    lanes: int = parameter(
        4,
        "Number of products that each element of the array sums in a clock.",
        values=f"{', '.join(map(str, CORE_LANES))}; it and rows, it and cols divide each other",
    )
    a: str = _operand("A")
    b: str = _operand("B")
    acc: str = parameter("DLFLOAT16", "Format of the result C.", values="any format")
    semantics: str = parameter(
        "exact",
        "How products are summed: exactly, with one rounding.",
        values=", ".join(CORE_SEMANTICS),
    )
    terms: int = parameter(
        4096,
        "Largest number of products in a sum; it sets the width of the sums.",
        values="1 to 65535",
    )
    rounding: str = parameter(
        "",
        "How the sum is rounded to acc.",
        values=DETERMINISTIC,
        shown="RNA for DLFLOAT16, else RNE",
    )
    overflow: str = parameter("special", OVERFLOW, values=SPECIAL)
    drains: int = parameter(
        0,
        "Number of rounders, and of results that leave in a clock.",
        values="0 for the default, or a divisor of rows",
        shown="rows",
    )
    pages: int = parameter(
        2,
        "Number of pages in each scratchpad. While a job reads one, another may be loaded.",
        values="2, 4, 8 or 16",
    )
    a_size: int = _size("A", "rows")
    b_size: int = _size("B", "cols")
    epilogue: str = parameter(
        "none",
        "What a job may ask for beyond its sums: nothing; scale, ReLU, quantization, and to keep "
        "its result as an operand; or also a bias and what C held before.",
        values=", ".join(EPILOGUES),
        off="none",
    )
    y: str = parameter(
        HFP8,
        "Format of quantized results. With HFP8, each job says in which of its two formats they "
        "are.",
        values="any format of at most 8 bits",
    )
    y_rounding: str = parameter(
        "RNE",
        "How results are quantized. Random bits are the core's own, each drain's from a generator.",
        values=ROUNDED,
    )
    y_overflow: str = parameter("saturate", OVERFLOW, values=SPECIAL)
    random_seed: int = parameter(
        1, "Seed of the random generators.", values="1 to 2**32-1, with y_rounding SR(n) only"
    )
    bias_size: int = parameter(
        1024,
        "Largest number of columns that a bias can have.",
        values="1 to 65535, with epilogue=full only",
    )
    ports: str = parameter(
        "streams",
        "How operands come and results leave: on AXI4-Streams, or the core is a master of AXI4 and "
        "each job says where they are in memory.",
        values=", ".join(CORE_PORTS),
        off="streams",
    )
    bus: int = parameter(
        64,
        "Width of the data on the bus to memory.",
        values=f"{', '.join(map(str, BUSES))}, with ports=memory only",
    )
    burst: int = parameter(
        16,
        "Longest burst on it, in words.",
        values="a power of two, 2 to 256, with ports=memory only",
    )

    @property
    def idle(self) -> dict[str, str]:
        found = {}
        how = f"epilogue={self.epilogue!r}"
        if self.epilogue == "none":
            for name in ("y", "y_rounding", "y_overflow", "random_seed"):
                found[name] = f"{how}: no result is quantized"
        elif parse_rounding(self.y_rounding).mode != "SR":
            found["random_seed"] = random_idle(self.result_rounding, "xorshift32")["random_seed"]
        if self.epilogue != "full":
            found["bias_size"] = f"{how}: only full has a bias"
        if self.ports == "streams":
            reason = "ports='streams': only memory has a bus"
            found |= {"bus": reason, "burst": reason}
        return found

    def _check_choices(self) -> None:
        check_choice("epilogue", self.epilogue, EPILOGUES)
        check_choice("ports", self.ports, CORE_PORTS)

    @property
    def defaults(self) -> dict[str, Any]:
        fmt = parse_format(self.acc, "acc")
        return {"rounding": str(default_rounding(fmt)), "overflow": default_overflow(fmt)}

    def _check(self) -> None:
        check_int("stages", self.stages, 2, self.max_stages)
        check_int("rows", self.rows, 1, 64)
        check_int("cols", self.cols, 1, 64)
        if isinstance(self.lanes, bool) or self.lanes not in CORE_LANES:
            raise ParameterError(
                f"lanes={self.lanes!r} is not allowed: one of {', '.join(map(str, CORE_LANES))}"
            )
        for name in ("rows", "cols"):
            side = getattr(self, name)
            if side % self.lanes and self.lanes % side:
                raise ParameterError(
                    f"{name}={side!r} is not allowed for lanes={self.lanes}: "
                    "a multiple or a divisor of lanes"
                )
        check_choice("semantics", self.semantics, CORE_SEMANTICS)
        check_int("terms", self.terms, 1, 65535)
        self._set(rounding=self.element.rounding, overflow=self.element.overflow)
        if type(self.drains) is int and self.drains == 0:
            self._set(drains=self.rows)
        divisors = [n for n in range(1, self.rows + 1) if self.rows % n == 0]
        if isinstance(self.drains, bool) or self.drains not in divisors:
            raise ParameterError(
                f"drains={self.drains!r} is not allowed for rows={self.rows}: "
                f"one of {', '.join(map(str, divisors))}, or 0 for {self.rows}"
            )
        if isinstance(self.pages, bool) or self.pages not in (2, 4, 8, MAX_PAGES):
            raise ParameterError(f"pages={self.pages!r} is not allowed: 2, 4, 8 or 16")
        self._check_size("a_size", "rows")
        self._check_size("b_size", "cols")
        if self.epilogue != "none":
            self._check_epilogue()
        if self.ports == "memory":
            for name, allowed in (("bus", BUSES), ("burst", BURSTS)):
                value = getattr(self, name)
                if isinstance(value, bool) or value not in allowed:
                    raise ParameterError(
                        f"{name}={value!r} is not allowed: one of {', '.join(map(str, allowed))}"
                    )

    def _check_epilogue(self) -> None:
        for fmt in self.y_formats:
            if fmt.width > 8:
                raise ParameterError(
                    f"y={self.y!r} is not allowed: quantized results have at most 8 bits"
                )
            check_overflow(self.y_overflow, fmt)
        self._set(y_rounding=str(self.result_rounding))
        if "random_seed" not in self.idle:
            check_int("random_seed", self.random_seed, 1, (1 << 32) - 1)
        if self.epilogue == "full":
            check_int("bias_size", self.bias_size, 1, MAX_SIZE)

    def _check_size(self, name: str, side: str) -> None:
        block = getattr(self, side) * self.lanes
        allowed = [block << k for k in range(25) if block << k <= 1 << 24]
        usual = next(n for n in allowed if n >= USUAL_SIZE)
        value = getattr(self, name)
        if type(value) is int and value == 0:
            self._set(**{name: usual})
        elif isinstance(value, bool) or value not in allowed:
            raise ParameterError(
                f"{name}={value!r} is not allowed for {side}={getattr(self, side)} and "
                f"lanes={self.lanes}: {block} times a power of two, up to 2**24, or 0 for {usual}"
            )

    @cached_property
    def element(self) -> MacParameters:
        """The `mac` or `dot` whose sum an element of the array is."""
        names = ("a", "b", "acc", "semantics", "terms", "rounding", "overflow")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.lanes == 1:
            return MacParameters(**given)
        return DotParameters(**given, lanes=self.lanes)

    @property
    def acc_format(self) -> FloatFormat:
        """The format of the results."""
        return self.element.acc_format

    @cached_property
    def y_formats(self) -> tuple[FloatFormat, ...]:
        """The formats of quantized results, by mode; none without an epilogue."""
        return () if self.epilogue == "none" else parse_operand(self.y, "y")

    @property
    def result_rounding(self) -> Rounding:
        """How results are quantized."""
        return parse_rounding(self.y_rounding)

    @property
    def keeps(self) -> bool:
        """Whether quantized results can be kept as the operand A of a later job."""
        same = all(fmt in self.a_formats for fmt in self.y_formats)
        return self.epilogue != "none" and same and self.drains == self.rows

    @property
    def places(self) -> tuple[str, ...]:
        """What jobs have in memory: of the members of `hfp8_hw.jobs.Addresses`."""
        return ("a", "b", "y", *(("bias", "c") if self.epilogue == "full" else ()))

    @property
    def bias_words(self) -> int:
        """Beats of the largest bias."""
        return -(-self.bias_size // self.drains)

    @cached_property
    def a_layout(self) -> Layout:
        """How the scratchpad of A is laid out."""
        return Layout(self.rows, self.lanes, self.a_size)

    @cached_property
    def b_layout(self) -> Layout:
        """How the scratchpad of B is laid out."""
        return Layout(self.cols, self.lanes, self.b_size)

    @property
    def macs(self) -> int:
        """Products a clock."""
        return self.rows * self.cols * self.lanes

    @property
    def slots(self) -> int:
        """Clocks in which the results of a tile leave the array."""
        return self.rows * self.cols // self.drains

    def refusal(self, job: GemmJob, addresses: Addresses | None = None) -> JobError:
        """Why the core refuses a job; `JobError.NONE` if it does not.

        With ``ports=memory`` its ``addresses`` are looked at first.
        """
        if addresses is not None and self.ports == "memory":
            used = [getattr(addresses, name) for name in job.addresses if name in self.places]
            if any(address % (self.bus // 8) for address in used):
                return JobError.ADDRESS
        modes = [(job.mode_a, self.a_formats), (job.mode_b, self.b_formats)]
        pages = [job.page_a, job.page_b]
        if self.epilogue == "none":
            unknown = bool(job.asks)
        else:
            modes.append((job.mode_y, self.y_formats))
            pages.append(job.page_y)
            unknown = self.epilogue != "full" and (job.bias or job.accumulate)
        stored = self.a_layout.matrix_words((job.n, job.m)) if job.store else 0
        lost = not (self.keeps and job.quantize) or job.page_y == job.page_a
        checks = (
            (JobError.EMPTY, 0 in (job.m, job.n, job.k)),
            (JobError.LONG, job.k > self.terms),
            (JobError.MODE, any(mode >= len(formats) for mode, formats in modes)),
            (JobError.PAGE, max(pages) >= self.pages),
            (JobError.EPILOGUE, unknown),
            (JobError.BIAS, job.bias and job.n > (self.bias_size or 0)),
            (JobError.STORE, job.store and lost),
            (JobError.LARGE_A, self.a_layout.matrix_words(job.a_shape) > self.a_layout.words),
            (JobError.LARGE_B, self.b_layout.matrix_words(job.b_shape) > self.b_layout.words),
            (JobError.LARGE_Y, stored > self.a_layout.words),
        )
        return next((error for error, wrong in checks if wrong), JobError.NONE)

    @property
    def latency(self) -> int | None:
        return None

    @property
    def timing_text(self) -> str:
        return f"{self.macs} products a clock"

    @property
    def golden_arguments(self) -> dict[str, Any]:
        given = self.element.golden_arguments
        if self.epilogue == "none":
            return given
        names = ("y", "y_rounding", "y_overflow")
        return given | {name: getattr(self, name) for name in names}

    @property
    def golden_ports(self) -> Ports:
        return {}

    @property
    def golden_outputs(self) -> list[str | list[str]]:
        return []
