"""Parameters of the units that sum products."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_int
from ..fixed import FixedPoint, add_clocks, fixed_point, serial_clocks
from ..formats import HFP8, FloatFormat, parse_format
from ..products import exponent_range
from ..rounding import Rounding, check_overflow, default_rounding, parse_rounding
from .base import Ports, check_runtime, parameter
from .product import TwoOperandParameters

MAC_SEMANTICS = ("fma", "chunked", "exact", "exact_chunk")
DOT_SEMANTICS = ("exact", "exact_chunk", "fmma", "dotN")
ALIGNERS = ("lut", "dsp")
OPERANDS = ("codes", "fixed")
LANES = (2, 4, 8, 16, 32, 64)
MAX_INTERLEAVE = 8
MAX_FIXED = 62
"""Bits of a fixed-point result: what fits a 64-bit integer on the way to a simulator."""


@dataclass(frozen=True)
class MacParameters(TwoOperandParameters):
    """A running sum of products; see `hfp8_hw.golden.dot`."""

    unit: ClassVar[str] = "mac"
    summary: ClassVar[str] = "sum of products, floating-point or exact"
    golden: ClassVar[str] = "hfp8_hw.golden:dot"
    max_stages: ClassVar[int] = 4

    stages: int = parameter(
        0, "register stages, 1 to 4, exact sums 2 to 6, align=dsp to 7; 0: 3, exact 4, dsp all"
    )
    a: str = parameter(HFP8, "format of the input a (HFP8: by input mode_a)")
    b: str = parameter(HFP8, "format of the input b (HFP8: by input mode_b)")
    acc: str = parameter("DLFLOAT16", "format of the accumulator and of the output y; or fixed")
    semantics: str = parameter("chunked", "fma, chunked, exact or exact_chunk")
    chunk: int = parameter(64, "products a chunk, 1 to 65536 (chunked, exact_chunk)")
    terms: int = parameter(1024, "products of a sum, at most, 1 to 2**24 (exact)")
    rounding: str = parameter("", "deterministic; by default RNA for DLFLOAT16, else RNE")
    overflow: str = parameter("special", "saturate or special")
    bias: str = parameter("static", "static, or runtime: the biases of a and b are inputs")
    segments: int = parameter(1, "pieces of the exact sum's carry chain, 1 to 8")
    drop: int = parameter(0, "bits cut off below the exact products, 0 to 32 (exact sums)")
    interleave: int = parameter(1, "sums that take turns, item by item, 1 to 8 (fma, chunked)")
    align: str = parameter("lut", "lut, or dsp: a multiplier puts products in place (exact sums)")
    operands: str = parameter("codes", "codes, or fixed: as to_fixed puts them out (align=dsp)")

    def __post_init__(self) -> None:
        check_choice("semantics", self.semantics, MAC_SEMANTICS)
        self._check_sum()

    def _check_sum(self) -> None:
        if self.stages == 0:
            exact = self._stages_range[1] if self.align == "dsp" else 4
            self._set(stages=exact if self.is_exact else 3)
        check_int("stages", self.stages, *self._stages_range)
        check_runtime(self.bias, "a", self.a_formats)
        check_runtime(self.bias, "b", self.b_formats)
        check_int("chunk", self.chunk, 1, 65536)
        check_int("terms", self.terms, 1, 1 << 24)
        check_int("segments", self.segments, 1, 8)
        check_int("drop", self.drop, 0, 32)
        check_int("interleave", self.interleave, 1, MAX_INTERLEAVE)
        if self.interleave > 1 and self.is_exact:
            raise ParameterError(
                f"interleave={self.interleave!r} is not allowed for semantics={self.semantics!r}: "
                "1, as an exact sum needs no turns to take an item every clock"
            )
        if self.drop and not self.is_exact:
            raise ParameterError(
                f"drop={self.drop!r} is not allowed for semantics={self.semantics!r}: "
                "only exact sums can leave out low bits"
            )
        self._check_align()
        if self.is_fixed:
            self._check_fixed()
            return
        if self.rounding == "":
            self._set(rounding=str(default_rounding(self.acc_format)))
        rounding = parse_rounding(self.rounding)
        if rounding.mode == "SR":
            raise ParameterError(
                f"rounding={self.rounding!r} is not allowed for an accumulator: a deterministic one"
            )
        check_overflow(self.overflow, self.acc_format)

    def _check_align(self) -> None:
        check_choice("align", self.align, ALIGNERS)
        if self.align != "lut" and not self.is_exact:
            raise ParameterError(
                f"align={self.align!r} is not allowed for semantics={self.semantics!r}: "
                "only exact sums have a grid to put products on"
            )
        check_choice("operands", self.operands, OPERANDS)
        if self.operands == "codes":
            return
        if self.align != "dsp":
            raise ParameterError(
                f"operands={self.operands!r} is not allowed for align={self.align!r}: dsp"
            )
        for name, formats in (("a", self.a_formats), ("b", self.b_formats)):
            if len(formats) > 1:
                raise ParameterError(
                    f"{name}={getattr(self, name)!r} is not allowed for operands='fixed': "
                    "one format"
                )

    def _check_fixed(self) -> None:
        """The parameters of a fixed-point result, which is never rounded."""
        if self.semantics != "exact":
            raise ParameterError(
                f"acc={self.acc!r} is not allowed for semantics={self.semantics!r}: only for exact"
            )
        if self.rounding not in ("", "none"):
            raise ParameterError(
                f"rounding={self.rounding!r} is not allowed for acc='fixed': it is never rounded"
            )
        if self.fixed.width > MAX_FIXED:
            raise ParameterError(
                f"terms={self.terms!r} is not allowed for {self.a} x {self.b} with acc='fixed': "
                f"the sum needs {self.fixed.width} bits, at most {MAX_FIXED}"
            )
        self._set(rounding="none")

    @property
    def _stages_range(self) -> tuple[int, int]:
        if not self.is_exact:
            return 1, 4
        return 2, 4 if self.operands == "fixed" else 7 if self.align == "dsp" else 6

    @property
    def is_exact(self) -> bool:
        """Whether products are summed in fixed point."""
        return self.semantics in ("exact", "exact_chunk")

    @property
    def is_fixed(self) -> bool:
        """Whether the fixed-point sum itself is the result."""
        return self.acc == "fixed"

    @cached_property
    def fixed(self) -> FixedPoint:
        """The fixed-point accumulator of an exact sum."""
        terms = {"exact": self.terms, "exact_chunk": self.chunk}.get(self.semantics, self.products)
        runtime = self.bias == "runtime"
        return fixed_point(self.a_formats, self.b_formats, terms, runtime, self.drop)

    @property
    def products(self) -> int:
        """Products a clock."""
        return 1

    @property
    def chunk_clocks(self) -> int:
        """Clocks in which a full chunk's items come in."""
        return self.chunk // self.products

    @property
    def rate(self) -> int:
        """Bits a clock in the bit-serial back end: as few as keep up with full chunks."""
        for rate in (1, 2):
            if self.semantics == "exact" or serial_clocks(self.fixed, rate) <= self.chunk_clocks:
                return rate
        return 4

    def sum_clocks(self, items: int) -> int:
        """Clocks from the end of one sum of ``items`` items to that of the next, in steady state.

        That is with an input always offered, the output always taken and all sums of one length.
        With ``interleave`` it is the mean over the sums that take turns.
        """
        if self.is_fixed or self.semantics not in ("chunked", "exact", "exact_chunk"):
            return items
        chunks = -(-items // self.chunk_clocks)
        # Where a chunk's first item ends the sum, two ends meet, and the second one waits a clock.
        meeting = items + (items % self.chunk_clocks == 1)
        if self.semantics == "chunked":
            return meeting if self.first_waits else items + chunks
        serial = serial_clocks(self.fixed, self.rate)
        if self.semantics == "exact":
            # The rounder's input is held until the result is out.
            return max(items, serial + 1)
        # Of the two steps of the back end, the second also puts a sum out.
        return max(meeting, chunks * (serial - 1), chunks * add_clocks(self.acc_format) + 1)

    @property
    def interval(self) -> int | Fraction:
        """Clocks an item in a long sum: more than 1 where the ends of chunks cost clocks."""
        if self.semantics not in ("chunked", "exact_chunk"):
            return 1
        one, two = self.sum_clocks(self.chunk_clocks), self.sum_clocks(2 * self.chunk_clocks)
        mean = Fraction(two - one, self.chunk_clocks)
        return int(mean) if mean.denominator == 1 else mean

    @property
    def sum_interval(self) -> int:
        """Clocks from one sum's end to the next, at the least: those of sums of one item."""
        return self.sum_clocks(1)

    @cached_property
    def first_waits(self) -> bool:
        """Whether a chunk's first product can wait for the adder (``chunked``).

        So it is where every product but those that overflow is a number of the accumulator's
        format, and those become the same special number.
        """
        fmt, runtime = self.acc_format, self.bias == "runtime"
        operands = (self.a_formats, self.b_formats)
        bits = sum(max(f.man_bits for f in formats) + 1 for formats in operands)
        ranges = [[exponent_range(f, runtime) for f in formats] for formats in operands]
        low = sum(min(r[0] for r in of_one) for of_one in ranges)
        high = sum(max(r[1] for r in of_one) for of_one in ranges) + 1
        if self.chunk == 1 or bits > fmt.man_bits + 1 or low + fmt.bias < 1:
            return False
        if high + fmt.bias < fmt.max_code >> fmt.man_bits:
            return True
        special = fmt.inf_code is not None or fmt.nan_code is not None
        nearest = self.rounding_mode.mode in ("RNE", "RNA")
        return special and self.overflow == "special" and nearest

    @property
    def lsb(self) -> int | None:
        return self.fixed.lsb if self.is_fixed else None

    @property
    def sums(self) -> int:
        return self.interleave

    @property
    def golden_function(self) -> str:
        return "hfp8_hw.golden:fixed_dot" if self.is_fixed else self.golden

    @property
    def latency(self) -> int | None:
        if self.is_exact:
            back = 0
            if not self.is_fixed:
                serial = serial_clocks(self.fixed, self.rate)
                chunked = self.semantics == "exact_chunk"
                back = serial + (add_clocks(self.acc_format) - 1 if chunked else 2)
            return self.stages + self.segments - 1 + back
        rounds = 2 if self.semantics == "chunked" else 1
        return self.stages - 1 + rounds * self.interleave

    @cached_property
    def acc_format(self) -> FloatFormat:
        """The format of the accumulator; not for ``acc=fixed``."""
        return parse_format(self.acc, "acc")

    @cached_property
    def rounding_mode(self) -> Rounding:
        """The rounding, parsed."""
        return parse_rounding(self.rounding)

    @property
    def golden_arguments(self) -> dict[str, Any]:
        given: dict[str, Any] = {"fmt_a": self.a, "fmt_b": self.b}
        if self.is_fixed:
            given |= {"terms": self.terms}
        else:
            given |= {
                "rounding": self.rounding,
                "overflow": self.overflow,
                "acc": self.acc,
                "semantics": self.semantics,
                "chunk": self.chunk,
            }
        return given | ({"drop": self.drop} if self.drop else {})

    @property
    def framed(self) -> bool:
        return True


@dataclass(frozen=True)
class DotParameters(MacParameters):
    """A running sum of several products a clock; see `hfp8_hw.golden.dot`."""

    unit: ClassVar[str] = "dot"
    summary: ClassVar[str] = "sum of several products a clock, exact or rounded with each pair"

    stages: int = parameter(
        0, "register stages, exact sums 2 to 6, align=dsp to 7; 0: 4, else (not exact: 1 to) all"
    )
    semantics: str = parameter("exact_chunk", "exact, exact_chunk, fmma (2 lanes) or dotN")
    chunk: int = parameter(0, "products a chunk, a multiple of lanes; 0: 64 a lane (exact_chunk)")
    lanes: int = parameter(8, "products a clock: 2, 4, 8, 16, 32 or 64")

    def __post_init__(self) -> None:
        check_choice("semantics", self.semantics, DOT_SEMANTICS)
        if self.lanes not in LANES:
            raise ParameterError(
                f"lanes={self.lanes!r} is not allowed: one of {', '.join(map(str, LANES))}"
            )
        if self.chunk == 0:
            self._set(chunk=64 * self.lanes)
        if self.semantics == "fmma" and self.lanes != 2:
            raise ParameterError(
                f"lanes={self.lanes!r} is not allowed for semantics='fmma': 2, the products "
                "of one rounding"
            )
        if self.stages == 0 and not self.is_exact:
            self._set(stages=self._stages_range[1])
        self._check_sum()
        if self.semantics == "fmma" and self.rounding_mode.mode not in ("RNE", "RNA"):
            raise ParameterError(
                f"rounding={self.rounding!r} is not allowed for semantics='fmma': RNE or RNA"
            )
        bits = sum(max(f.man_bits for f in fs) + 1 for fs in (self.a_formats, self.b_formats))
        if self.semantics == "fmma" and self.acc_format.man_bits + 1 < bits:
            raise ParameterError(
                f"acc={self.acc!r} is not allowed for semantics='fmma' of {self.a} x {self.b}: a "
                f"format of at least {bits - 1} mantissa bits, or semantics='dotN'"
            )
        if self.chunk % self.lanes:
            raise ParameterError(
                f"chunk={self.chunk!r} is not allowed for lanes={self.lanes!r}: a multiple of lanes"
            )

    @property
    def _stages_range(self) -> tuple[int, int]:
        if self.is_exact:
            return super()._stages_range
        # Those of two operands' sum, or one for each level of the adder tree and seven more.
        return 1, 10 if self.semantics == "fmma" else 8 + (self.lanes - 1).bit_length()

    @property
    def products(self) -> int:
        return self.lanes

    @property
    def latency(self) -> int | None:
        before = super().latency
        assert before is not None
        # One more clock for each level of the adder tree.
        return before + (self.lanes - 1).bit_length() if self.is_exact else before

    @property
    def golden_arguments(self) -> dict[str, Any]:
        given = super().golden_arguments
        return given | ({"lanes": self.lanes} if self.semantics == "dotN" else {})

    @property
    def golden_ports(self) -> Ports:
        lanes = {name: [f"i_{name}{k}" for k in range(self.lanes)] for name in ("a", "b")}
        return {**super().golden_ports, **lanes}
