"""Parameters of `mac`, and of what it has in common with `dot`."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_int
from ..fixed import PIPELINED_CLOCKS, FixedPoint, add_clocks, fixed_point, serial_clocks
from ..formats import FloatFormat, parse_format
from ..products import exponent_range
from ..rounding import (
    Rounding,
    check_overflow,
    default_overflow,
    default_rounding,
    parse_rounding,
)
from .base import DETERMINISTIC, OVERFLOW, SPECIAL, SPECIAL_FIRST, check_runtime, parameter
from .product import TwoOperandParameters, biases, operand

MAC_SEMANTICS = ("fma", "chunked", "exact", "exact_chunk")
ALIGNERS = ("lut", "dsp")
ROUNDERS = ("serial", "pipelined")
OPERANDS = ("codes", "fixed")
MAX_INTERLEAVE = 8
MAX_FIXED = 62
"""Bits of a fixed-point result: what fits a 64-bit integer on the way to a simulator."""

_RANGES = (
    ("chunk", 1, 65536),
    ("terms", 1, 1 << 24),
    ("segments", 1, 8),
    ("drop", 0, 32),
    ("interleave", 1, MAX_INTERLEAVE),
)


@dataclass(frozen=True)
class MacParameters(TwoOperandParameters):
    """A running sum of products; see `hfp8_hw.golden.dot`."""

    unit: ClassVar[str] = "mac"
    summary: ClassVar[str] = "sum of products, floating-point or exact"
    golden: ClassVar[str] = "hfp8_hw.golden:dot"
    max_stages: ClassVar[int] = 4

    all_semantics: ClassVar[tuple[str, ...]] = MAC_SEMANTICS
    in_name: ClassVar[tuple[str, ...]] = ("a", "b", "acc", "semantics", "chunk", "terms", "stages")

    stages: int = parameter(
        0,
        "Number of register stages. More of them allow a faster clock and add latency.",
        values="0 for the default, or 1 to 4; for exact sums 2 to 6, to 7 with align=dsp",
        shown="3; for exact sums 4, with align=dsp as many as are allowed",
    )
    a: str = operand("a")
    b: str = operand("b")
    acc: str = parameter(
        "DLFLOAT16",
        "Format of the accumulator and of the output y. With fixed, it is the exact sum itself in "
        "fixed point.",
        values=f"any format, or fixed with semantics=exact and sums of at most {MAX_FIXED} bits",
    )
    semantics: str = parameter(
        "chunked",
        "How products are summed: rounded with each product (fma), in chunks that are summed in "
        "turn (chunked), exactly and rounded once (exact), or in chunks that are each exact "
        "(exact_chunk).",
        values=", ".join(MAC_SEMANTICS),
    )
    chunk: int = parameter(
        64,
        "Number of products in a chunk.",
        values="1 to 65536, with semantics chunked and exact_chunk only",
    )
    terms: int = parameter(
        1024,
        "Largest number of products in a sum; it sets the accumulator's width.",
        values="1 to 2**24, with semantics=exact only",
    )
    rounding: str = parameter(
        "",
        "How the sum is rounded to acc.",
        values=f"{DETERMINISTIC}; not with acc=fixed",
        shown="RNA for DLFLOAT16, else RNE",
    )
    overflow: str = parameter(
        "special", OVERFLOW, values=f"{SPECIAL}; not with acc=fixed", shown=SPECIAL_FIRST
    )
    bias: str = biases()
    segments: int = parameter(
        1,
        "Number of pieces in which the exact sum's carry is added, one a clock: more make a "
        "faster clock.",
        values="1 to 8, with exact sums only",
        off=1,
    )
    drop: int = parameter(
        0,
        "Number of bits cut off below the exact products, which saves area and loses accuracy.",
        values="0 to 32, with exact sums only",
        off=0,
    )
    interleave: int = parameter(
        1,
        "Number of sums that take turns, item by item, for a faster clock.",
        values="1 to 8, not with exact sums",
        off=1,
    )
    align: str = parameter(
        "lut",
        "What moves products into place in an exact sum: logic, or a multiplier that may be a DSP "
        "block.",
        values="lut, or dsp with exact sums",
        off="lut",
    )
    rounder: str = parameter(
        "serial",
        "What rounds an exact sum: a small rounder that takes some clocks for each bit, so that "
        "short sums wait for it, or a larger one that takes a sum every clock.",
        values="serial, or pipelined with semantics=exact; not with acc=fixed",
        off="serial",
    )
    operands: str = parameter(
        "codes",
        "Whether a and b are codes, or fixed-point numbers from the unit to_fixed.",
        values="codes, or fixed with align=dsp",
        off="codes",
    )

    @property
    def defaults(self) -> dict[str, Any]:
        if self.is_fixed:
            return {}
        fmt = self.acc_format
        return {"rounding": str(default_rounding(fmt)), "overflow": default_overflow(fmt)}

    @property
    def idle(self) -> dict[str, str]:
        how = f"semantics={self.semantics!r}"
        found = {}
        if self.semantics not in ("chunked", "exact_chunk"):
            found["chunk"] = f"{how}: only sums in chunks have one"
        if self.semantics != "exact":
            found["terms"] = f"{how}: only an exact sum has a largest length"
        if self.is_exact:
            found["interleave"] = f"{how}: 1, as an exact sum takes an item every clock by itself"
        else:
            found |= {
                "segments": f"{how}: only exact sums have a carry chain to cut",
                "drop": f"{how}: only exact sums can leave out low bits",
                "align": f"{how}: only exact sums have a grid to put products on",
                "operands": f"{how}: only exact sums take fixed-point operands",
            }
        if self.semantics != "exact":
            found["rounder"] = f"{how}: only an exact sum is rounded once"
        if self.is_fixed:
            found["rounder"] = "acc='fixed': it is never rounded"
            found["rounding"] = "acc='fixed': it is never rounded"
            found["overflow"] = "acc='fixed': it holds every sum"
        return found

    def _check_choices(self) -> None:
        check_choice("semantics", self.semantics, self.all_semantics)
        if self.is_fixed and self.semantics != "exact":
            raise ParameterError(
                f"acc={self.acc!r} is not allowed for semantics={self.semantics!r}: only for exact"
            )

    def _check(self) -> None:
        self._check_stages()
        check_runtime(self.bias, "a", self.a_formats)
        check_runtime(self.bias, "b", self.b_formats)
        idle = self.idle
        for name, low, high in _RANGES:
            if name not in idle:
                check_int(name, getattr(self, name), low, high)
        self._check_align()
        check_choice("rounder", self.rounder, ROUNDERS)
        if self.is_fixed:
            self._check_fixed()
            return
        rounding = parse_rounding(self.rounding)
        if rounding.mode == "SR":
            raise ParameterError(
                f"rounding={self.rounding!r} is not allowed for an accumulator: "
                "choose a deterministic rounding"
            )
        self._set(rounding=str(rounding))
        check_overflow(self.overflow, self.acc_format)

    def _check_stages(self) -> None:
        low, high = self._stages_range
        usual = (high if self.align == "dsp" else 4) if self.is_exact else self._usual_stages
        if type(self.stages) is int and self.stages == 0:
            self._set(stages=usual)
        if type(self.stages) is not int or self.stages not in range(low, high + 1):
            raise ParameterError(
                f"stages={self.stages!r} is not allowed: an integer from {low} to {high}, or 0 "
                f"for {usual}"
            )

    def _check_align(self) -> None:
        check_choice("align", self.align, ALIGNERS)
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
        """Refuse a fixed-point sum that is too wide, and say what would make it fit."""
        width = self.fixed.width
        if width <= MAX_FIXED:
            return
        most = bisect_right(
            range(1, self.terms), MAX_FIXED, key=lambda terms: self._fixed(terms, self.drop).width
        )
        drop = next((d for d in range(33) if self._fixed(self.terms, d).width <= MAX_FIXED), None)
        ways = [f"with terms up to {most}"] if most else []
        ways += [f"with drop from {drop} on"] if drop is not None else []
        ways += ["with operands of fewer exponents"]
        raise ParameterError(
            f"acc='fixed' is not allowed for {self.a} x {self.b} with terms={self.terms}: the sum "
            f"needs {width} bits, at most {MAX_FIXED}; it fits {', or '.join(ways)}"
        )

    @property
    def _stages_range(self) -> tuple[int, int]:
        if not self.is_exact:
            return 1, 4
        return 2, 4 if self.operands == "fixed" else 7 if self.align == "dsp" else 6

    @property
    def _usual_stages(self) -> int:
        """The default of a sum that is not exact."""
        return 3

    @property
    def is_exact(self) -> bool:
        """Whether products are summed in fixed point."""
        return self.semantics in ("exact", "exact_chunk")

    @property
    def is_fixed(self) -> bool:
        """Whether the fixed-point sum itself is the result."""
        return self.acc == "fixed"

    @property
    def is_pipelined(self) -> bool:
        """Whether exact sums are rounded one a clock."""
        return self.rounder == "pipelined"

    @cached_property
    def fixed(self) -> FixedPoint:
        """The fixed-point accumulator of an exact sum."""
        terms = {"exact": self.terms, "exact_chunk": self.chunk}.get(self.semantics, self.products)
        return self._fixed(terms, self.drop)

    def _fixed(self, terms: int, drop: int) -> FixedPoint:
        runtime = self.bias == "runtime"
        return fixed_point(self.a_formats, self.b_formats, terms, runtime, drop)

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

        Raises
        ------
        ParameterError
            Unless ``items`` is an integer from 1 to 2**53.
        """
        check_int("items", items, 1, 1 << 53)
        if self.is_fixed or self.is_pipelined:
            return items
        if self.semantics not in ("chunked", "exact", "exact_chunk"):
            return items
        if self.semantics == "exact":
            # The rounder's input is held until the result is out.
            return max(items, serial_clocks(self.fixed, self.rate) + 1)
        chunks = -(-items // self.chunk_clocks)
        # Where a chunk's first item ends the sum, two ends meet, and the second one waits a clock.
        meeting = items + (items % self.chunk_clocks == 1)
        if self.semantics == "chunked":
            return meeting if self.first_waits else items + chunks
        serial = serial_clocks(self.fixed, self.rate)
        # Of the two steps of the back end, the second also outputs a sum.
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
            if self.is_pipelined:
                back = PIPELINED_CLOCKS
            elif not self.is_fixed:
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
            }
            given |= {} if "chunk" in self.idle else {"chunk": self.chunk}
        return given | ({"drop": self.drop} if self.drop else {})

    @property
    def framed(self) -> bool:
        return True
