"""Parameters of `dot`: those of `mac`, with several products a clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import ParameterError
from .base import DETERMINISTIC, Ports, parameter
from .mac import MacParameters

DOT_SEMANTICS = ("exact", "exact_chunk", "fmma", "dotN")
LANES = (2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class DotParameters(MacParameters):
    """A running sum of several products a clock; see `hfp8_hw.golden.dot`."""

    unit: ClassVar[str] = "dot"
    summary: ClassVar[str] = "sum of several products a clock, exact or rounded with each pair"

    all_semantics: ClassVar[tuple[str, ...]] = DOT_SEMANTICS
    in_name: ClassVar[tuple[str, ...]] = (
        "a", "b", "acc", "semantics", "lanes", "chunk", "terms", "stages"
    )  # fmt: skip

    stages: int = parameter(
        0,
        "Number of register stages. More of them allow a faster clock and add latency.",
        values="0 for the default, or 2 to 6 for exact sums, to 7 with align=dsp; 1 to 10 for "
        "fmma; 1 to 9 for dotN of 2 lanes, and one more for each doubling of lanes",
        shown="4 for exact sums, otherwise as many as are allowed",
    )
    semantics: str = parameter(
        "exact_chunk",
        "How products are summed: exactly and rounded once (exact), in chunks that are each exact "
        "(exact_chunk), two products at a time as IBM's fmma (fmma), or all products of a clock "
        "and the accumulator rounded once (dotN).",
        values="exact, exact_chunk, fmma, or dotN",
    )
    chunk: int = parameter(
        0,
        "Number of products in a chunk.",
        values="0 for the default, or a multiple of lanes up to 65536; with semantics=exact_chunk "
        "only",
        shown="64 times lanes",
    )
    lanes: int = parameter(
        8,
        "Number of products in a clock.",
        values=f"{', '.join(map(str, LANES))}; 2 with semantics=fmma",
        shown="2 with semantics=fmma, else 8",
    )
    rounding: str = parameter(
        "",
        "How the sum is rounded to acc.",
        values=f"{DETERMINISTIC} with semantics exact, exact_chunk and dotN; RNE or RNA with fmma; "
        "not with acc=fixed",
        shown="RNA for DLFLOAT16, else RNE",
    )

    @property
    def defaults(self) -> dict[str, Any]:
        return {**super().defaults, **({"lanes": 2} if self.semantics == "fmma" else {})}

    def _check(self) -> None:
        if type(self.lanes) is not int or self.lanes not in LANES:
            raise ParameterError(
                f"lanes={self.lanes!r} is not allowed: one of {', '.join(map(str, LANES))}"
            )
        if "chunk" not in self.idle:
            if type(self.chunk) is int and self.chunk == 0:
                self._set(chunk=64 * self.lanes)
            if type(self.chunk) is not int or self.chunk not in range(
                self.lanes, 65537, self.lanes
            ):
                raise ParameterError(
                    f"chunk={self.chunk!r} is not allowed for lanes={self.lanes!r}: a multiple of "
                    f"lanes up to 65536, or 0 for {64 * self.lanes}"
                )
        if self.semantics == "fmma" and self.lanes != 2:
            raise ParameterError(
                f"lanes={self.lanes!r} is not allowed for semantics='fmma': 2, the products "
                "of one rounding"
            )
        super()._check()
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

    @property
    def _usual_stages(self) -> int:
        return self._stages_range[1]

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
