"""Parameters of the core, the matrix multiplier that the units are parts of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_int, shown
from ..formats import HFP8, FloatFormat, parse_format, parse_operand
from ..jobs import MAX_PAGES, MAX_SIZE, Addresses, GemmJob, JobError, check_job
from ..rounding import (
    Rounding,
    check_overflow,
    default_overflow,
    default_rounding,
    parse_rounding,
)
from .base import DETERMINISTIC, OVERFLOW, ROUNDED, SPECIAL, Ports, parameter
from .core_fields import (
    CORE_PORTS,
    align_field,
    beat_field,
    burst_field,
    bus_field,
    bus_idle,
    check_align,
    check_bus,
    check_convolution,
    checked_beat,
    checked_drains,
    checked_size,
    convolution_field,
    operand_field,
    ports_field,
    size_field,
)
from .dot import LANES, DotParameters
from .layout import Layout
from .mac import MAX_INTERLEAVE, MacParameters
from .product import TwoOperandParameters

CORE_SEMANTICS = ("exact", "exact_chunk", "chunked")
EPILOGUES = ("none", "quantize", "full")
CORE_LANES = (1, *LANES)


@dataclass(frozen=True)
class CoreParameters(TwoOperandParameters):
    """The core: an array of rows x cols sums that takes jobs; see `hfp8_hw.golden.gemm_job`."""

    unit: ClassVar[str] = "core"
    summary: ClassVar[str] = "matrix product: an array of dot products, scratchpads, AXI ports"
    golden: ClassVar[str] = "hfp8_hw.golden:gemm_job"
    max_stages: ClassVar[int] = 6
    in_name: ClassVar[tuple[str, ...]] = (
        "rows", "cols", "lanes", "a", "b", "acc", "semantics", "chunk", "interleave"
    )  # fmt: skip

    stages: int = parameter(
        4,
        "Number of register stages from the decoded operands to the running sum, those of the "
        "adder tree aside. More of them allow a faster clock.",
        values="2 to 4, 2 to 6 with align=dsp, or 2 with semantics=chunked",
        shown="4, with align=dsp 6, with semantics=chunked 2",
    )
    rows: int = parameter(4, "Number of rows of C in a tile.", values="1 to 64")
    cols: int = parameter(
        4,
        "Number of columns of C in a tile; with semantics=chunked it has interleave times as many.",
        values="1 to 64",
    )
    lanes: int = parameter(
        4,
        "Number of products that each element of the array sums in a clock.",
        values=f"{', '.join(map(str, CORE_LANES))}; it and rows, it and cols divide each other; "
        "1 with semantics=chunked",
        shown="4, with semantics=chunked 1",
    )
    a: str = operand_field("A")
    b: str = operand_field("B")
    acc: str = parameter("DLFLOAT16", "Format of the result C.", values="any format")
    semantics: str = parameter(
        "exact",
        "How products are summed: exactly and rounded once (exact), in chunks that are each exact "
        "(exact_chunk), or in chunks whose sums are rounded with each product (chunked).",
        values=", ".join(CORE_SEMANTICS),
    )
    chunk: int = parameter(
        64,
        "Number of products in a chunk.",
        values="a multiple of lanes up to 65536, with semantics exact_chunk and chunked only",
    )
    interleave: int = parameter(
        8,
        "Number of sums that take turns in an element, each of another column: a tile has so many "
        "times cols columns. More of them allow a faster clock.",
        values=f"1 to {MAX_INTERLEAVE}, with semantics=chunked only",
        off=1,
    )
    terms: int = parameter(
        4096,
        "Largest number of products in a sum; it sets the width of the sums.",
        values="1 to 65535, with semantics=exact only",
    )
    rounding: str = parameter(
        "",
        "How the sum is rounded to acc.",
        values=DETERMINISTIC,
        shown="RNA for DLFLOAT16, else RNE",
    )
    overflow: str = parameter("special", OVERFLOW, values=SPECIAL)
    align: str = align_field()
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
    a_size: int = size_field("A", "rows")
    b_size: int = size_field("B", "cols")
    a_beat: int = beat_field("A", "rows")
    b_beat: int = beat_field("B", "cols")
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
    ports: str = ports_field()
    bus: int = bus_field()
    burst: int = burst_field()

    convolution: str = convolution_field()

    @property
    def idle(self) -> dict[str, str]:
        found = {}
        how = f"epilogue={self.epilogue!r}"
        if self.epilogue == "none":
            for name in ("y", "y_rounding", "y_overflow", "random_seed"):
                found[name] = f"{how}: no result is quantized"
        elif self.result_rounding.mode != "SR":
            how_rounded = f"y_rounding={str(self.result_rounding)!r}"
            found["random_seed"] = f"{how_rounded}: only SR(n) needs random bits"
        if self.epilogue != "full":
            found["bias_size"] = f"{how}: only full has a bias"
        found |= bus_idle(self.ports)
        how = f"semantics={self.semantics!r}"
        if self.in_chunks:
            found["terms"] = f"{how}: only an exact sum has a largest length"
        else:
            found["chunk"] = f"{how}: only sums in chunks have one"
        if self.semantics != "chunked":
            found["interleave"] = f"{how}: 1, as an exact sum takes products every clock by itself"
        else:
            found["align"] = f"{how}: only exact sums have a grid to put products on"
        return found

    def _check_choices(self) -> None:
        check_choice("semantics", self.semantics, CORE_SEMANTICS)
        check_choice("epilogue", self.epilogue, EPILOGUES)
        check_choice("convolution", self.convolution, ("no", "yes"))
        check_choice("ports", self.ports, CORE_PORTS)

    @property
    def defaults(self) -> dict[str, Any]:
        fmt = parse_format(self.acc, "acc")
        usual = {"rounding": str(default_rounding(fmt)), "overflow": default_overflow(fmt)}
        if self.semantics == "chunked":
            return usual | {"stages": 2, "lanes": 1}
        return usual | ({"stages": self.max_stages} if self.align == "dsp" else {})

    def _check(self) -> None:
        in_turns = self.semantics == "chunked"
        check_align(self)
        most = self.max_stages if self.align == "dsp" else 4
        check_int("stages", self.stages, 2, 2 if in_turns else most)
        check_int("interleave", self.interleave, 1, MAX_INTERLEAVE)
        check_int("rows", self.rows, 1, 64)
        check_int("cols", self.cols, 1, 64)
        if isinstance(self.lanes, bool) or self.lanes not in CORE_LANES:
            raise ParameterError(
                f"lanes={self.lanes!r} is not allowed: one of {', '.join(map(str, CORE_LANES))}"
            )
        if in_turns and self.lanes != 1:
            raise ParameterError(f"lanes={self.lanes} is not allowed for semantics='chunked': 1")
        for name in ("rows", "cols"):
            side = getattr(self, name)
            if side % self.lanes and self.lanes % side:
                raise ParameterError(
                    f"{name}={side!r} is not allowed for lanes={self.lanes}: "
                    "a multiple or a divisor of lanes"
                )
        check_convolution(self)
        if not self.in_chunks:
            check_int("terms", self.terms, 1, MAX_SIZE)
        elif type(self.chunk) is not int or self.chunk not in range(self.lanes, 65537, self.lanes):
            raise ParameterError(
                f"chunk={self.chunk!r} is not allowed for lanes={self.lanes}: a multiple of lanes "
                "up to 65536"
            )
        self._set(rounding=self.element.rounding, overflow=self.element.overflow)
        self._set(drains=checked_drains(self))
        if isinstance(self.pages, bool) or self.pages not in (2, 4, 8, MAX_PAGES):
            raise ParameterError(f"pages={self.pages!r} is not allowed: 2, 4, 8 or 16")
        for name, side in (("a_size", "rows"), ("b_size", "cols")):
            self._set(**{name: checked_size(self, name, side)})
        for name, side in (("a_beat", "rows"), ("b_beat", "cols")):
            layout = Layout(getattr(self, side), self.lanes, getattr(self, f"{name[0]}_size"))
            self._set(**{name: checked_beat(self, name, side, layout)})
        if self.epilogue != "none":
            self._check_epilogue()
        if self.ports == "memory":
            check_bus(self.bus, self.burst)

    def _check_epilogue(self) -> None:
        for fmt in self.y_formats:
            if fmt.width > 8:
                raise ParameterError(
                    f"y={self.y!r} is not allowed: quantized results have at most 8 bits"
                )
            check_overflow(self.y_overflow, fmt, "y_overflow")
        self._set(y_rounding=str(self.result_rounding))
        if "random_seed" not in self.idle:
            check_int("random_seed", self.random_seed, 1, (1 << 32) - 1)
        if self.epilogue == "full":
            check_int("bias_size", self.bias_size, 1, MAX_SIZE)

    @cached_property
    def element(self) -> MacParameters:
        """The `mac` or `dot` whose sum an element of the array is."""
        length = "chunk" if self.in_chunks else "terms"
        names = ("a", "b", "acc", "semantics", length, "rounding", "overflow", "align")
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
        return parse_rounding(self.y_rounding, "y_rounding")

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
        long = max(self.rows, self.lanes)
        return Layout(self.rows, self.lanes, self.a_size, self.a_beat // long)

    @cached_property
    def b_layout(self) -> Layout:
        """How the scratchpad of B is laid out."""
        long = max(self.cols, self.lanes)
        return Layout(self.cols, self.lanes, self.b_size, self.b_beat // long)

    @property
    def address_clocks(self) -> int:
        """Clocks from the first address of a block to those of all its squares, on either side:
        an addition each, then one to sort them."""
        below = self.convolution == "yes"
        return max(self.a_layout.address_levels, self.b_layout.address_levels + below) + 1

    @property
    def macs(self) -> int:
        """Products a clock."""
        return self.rows * self.cols * self.lanes

    @property
    def slots(self) -> int:
        """Clocks in which the results of a tile leave the array."""
        return self.rows * self.tile_cols // self.drains

    @property
    def turns(self) -> int:
        """Sums that take turns in an element."""
        return self.interleave

    @property
    def tile_cols(self) -> int:
        """Columns of C in a tile: ``turns`` times those of the array."""
        return self.cols * self.turns

    @property
    def in_chunks(self) -> bool:
        """Whether chunk sums are added up."""
        return self.semantics != "exact"

    @property
    def chunk_steps(self) -> int:
        """Blocks along k in a full chunk; only with `in_chunks`."""
        return self.chunk // self.lanes

    @property
    def total_registers(self) -> int:
        """Registers in the adder of chunk sums: as many as the clocks between two chunk sums of the
        same element allow, up to all."""
        return min(max(self.slots, self.chunk_steps * self.turns, 6), 10) - 2

    @property
    def chunk_interval(self) -> int:
        """Clocks from a chunk's last products to those of the next chunk of the same sum, at the
        least: its sums leave the array, and are added to the ones before."""
        return max(self.slots, self.total_registers + 2) if self.in_chunks else self.slots

    def refusal(self, job: GemmJob, addresses: Addresses | None = None) -> JobError:
        """Why the core refuses a job, for its ``addresses`` first; `JobError.NONE`: it does not.

        Raises
        ------
        ParameterError
            For what is no `GemmJob`, or no `Addresses`.
        """
        check_job(job)
        if not isinstance(addresses, Addresses | None):
            raise ParameterError(f"addresses={shown(addresses)} is not allowed: Addresses or None")
        if addresses is not None and self.ports == "memory":
            used = [name for name in job.addresses if name in self.places]
            if any(getattr(addresses, name) % (self.bus // 8) for name in used):
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
            (JobError.LONG, not self.in_chunks and job.k > self.terms),
            (JobError.MODE, any(mode >= len(formats) for mode, formats in modes)),
            (JobError.PAGE, max(pages) >= self.pages),
            (JobError.CONVOLUTION, job.convolve and self.convolution == "no"),
            (JobError.EPILOGUE, unknown),
            (JobError.BIAS, job.bias and job.biases > (self.bias_size or 0)),
            (JobError.STORE, job.store and lost),
            (JobError.SHAPE, not job.moves(self.lanes)),
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
