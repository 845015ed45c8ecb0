"""The core's registers: the one table that hardware, documentation and drivers are made from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .errors import ParameterError, check_choice, shown
from .formats import SCALE_WIDTH
from .jobs import BUS_ADDRESS_BITS, Addresses, GemmJob, check_job
from .version import __version__

if TYPE_CHECKING:
    from .parameters import CoreParameters

ADDRESS_BITS = 8
"""Of the AXI4-Lite port: byte addresses of 32-bit registers."""

ACCESS = {
    "ro": "read",
    "rw": "read and write",
    "wo": "write; reads as 0",
    "wc": "read; any write clears it",
    "w1": "read; a 1 that is written clears its bit",
}


@dataclass(frozen=True)
class Field:
    """Bits of a register, ``low`` being the lowest."""

    name: str
    low: int
    width: int
    text: str


@dataclass(frozen=True)
class Register:
    """A register of 32 bits.

    Members
    -------
    access : str
        One of `ACCESS`.
    fields : tuple of Field
        Bits in none of them read as 0 and keep nothing.
    memory : bool
        Only cores with ``ports=memory`` have it.
    """

    name: str
    address: int
    access: str
    text: str
    fields: tuple[Field, ...]
    memory: bool = False


def _one(
    name: str, address: int, access: str, text: str, width: int = 32, field: str = "value"
) -> Register:
    return Register(name, address, access, text, (Field(field, 0, width, text),))


COUNTERS = {
    "BUSY": "Clocks in which a job with all its operands was at work.",
    "STALL_OUT": "Of these, clocks in which it had to wait for results to leave.",
    "STALL_IN": "Clocks in which jobs waited for their operands and none was at work, or that one "
    "for its bias or for what C held before.",
    "MACS": "Products summed, those outside of the matrices not counted.",
}
"""The counters of 48 bits, each two registers, from 0 at reset on."""

COUNTER_BITS = 48

_PLACES = {
    "a": "A is",
    "b": "B is",
    "bias": "the bias is",
    "c": "what C held before is",
    "y": "results go",
}
"""What the members of `hfp8_hw.jobs.Addresses` are of."""

_CAUSES = (
    ("done", "A job is done, as DONE counts them."),
    ("refused", "A job was refused, or lost, as REFUSED counts them."),
    ("error", "Any other error of the register ERROR."),
)
"""What can interrupt, and its bit."""

REGISTERS = (
    _one("ID", 0x00, "ro", "0x48465038, the letters HFP8."),
    Register("VERSION", 0x04, "ro", "The version of hfp8-hw that generated the core.", (
        Field("patch", 0, 8, "Third number."),
        Field("minor", 8, 8, "Second number."),
        Field("major", 16, 8, "First number."),
    )),
    _one("HASH", 0x08, "ro",
         "Stands for all parameters: the eight digits at the end of the default name."),
    Register("GEOMETRY", 0x0C, "ro", "What the array is made of.", (
        Field("rows", 0, 8, "Rows."),
        Field("cols", 8, 8, "Columns."),
        Field("lanes", 16, 8, "Products that an element sums in a clock."),
        Field("drains", 24, 8, "Results in a beat."),
    )),
    _one("M", 0x10, "rw", "Rows of C in the next job.", 16),
    _one("N", 0x14, "rw", "Columns of C in the next job.", 16),
    _one("K", 0x18, "rw", "Products in each of its sums.", 16),
    Register("OPERANDS", 0x1C, "rw", "How the next job takes its operands.", (
        Field("transpose_a", 0, 1, "A is stored as K x M."),
        Field("transpose_b", 1, 1, "B is stored as N x K."),
        Field("mode_a", 2, 1, "Format of A if it is HFP8: 0 HFP8_FWD, 1 HFP8_BWD."),
        Field("mode_b", 3, 1, "Format of B if it is HFP8: 0 HFP8_FWD, 1 HFP8_BWD."),
        Field("load_a", 4, 1, "A comes from its stream; else it is in its page already."),
        Field("load_b", 5, 1, "B comes from its stream; else it is in its page already."),
        Field("convolve", 6, 1, "B is a feature map, and the registers from MAP on describe it."),
        Field("page_a", 8, 4, "Page of A's scratchpad."),
        Field("page_b", 16, 4, "Page of B's scratchpad."),
    )),
    Register("RESULT", 0x20, "rw", "What becomes of C in the next job.", (
        Field("relu", 0, 1, "Put +0 in place of what is below 0."),
        Field("quantize", 1, 1, "Results are in the format y, not in the accumulator's."),
        Field("mode_y", 2, 1, "That format if it is HFP8: 0 HFP8_FWD, 1 HFP8_BWD."),
        Field("bias", 3, 1, "Add a code to all results of a column, or of a row with convolve."),
        Field("accumulate", 4, 1, "Add what C held before."),
        Field("store", 5, 1, "Keep the results, as N x M, in a page of A's scratchpad."),
        Field("silent", 6, 1, "Put no results on the output stream."),
        Field("page_y", 8, 4, "The page to keep them in."),
        Field("scale", 16, SCALE_WIDTH,
              "Round results times 2 to the power of this, -64 to 63 in two's complement."),
    )),
    _one("START", 0x24, "wo", "Writing 1 to bit 0 puts the job that the registers describe into "
         "the queue; if that is full, nothing but error 7.", 1, "start"),
    Register("STATUS", 0x28, "ro", "What the core is doing.", (
        Field("busy", 0, 1, "There are jobs, or results that have not been taken."),
        Field("full", 1, 1, "The queue is full."),
    )),
    Register("ERROR", 0x2C, "wc", "The first error since it was cleared.", (
        Field("code", 0, 5, "The error's number; 0: none."),
        Field("misplaced_a", 8, 1, "TLAST of A's stream was not at the end of a matrix."),
        Field("misplaced_b", 9, 1, "TLAST of B's stream was not at the end of a matrix."),
        Field("misplaced_c", 10, 1, "TLAST of C's stream was not at the end of a bias, or of C."),
    )),
    _one("REFUSED", 0x30, "ro", "Jobs that were refused, from 0 at reset on."),
    _one("DONE", 0x34, "ro", "Jobs whose last result has been taken, from 0 at reset on."),
    Register("FLAGS", 0x38, "wc", "The flags of all results since it was cleared, ORed.", (
        Field("flags", 0, 4, "overflow, underflow, inexact, invalid."),
    )),
    Register("AMAX", 0x3C, "ro", "Of the results of the last job that is done.", (
        Field("value", 0, 31, "Largest finite magnitude of the results of the last job that is "
              "done, before scale and quantization: a code of the accumulator's format. 0 without "
              "an epilogue."),
        Field("special", 31, 1, "There was a NaN or an infinity among them."),
    )),
    *(
        register
        for k, (name, text) in enumerate(COUNTERS.items())
        for register in (
            _one(f"{name}_LOW", 0x40 + 8 * k, "ro", f"{text} Reading it keeps the upper bits."),
            _one(f"{name}_HIGH", 0x44 + 8 * k, "ro",
                 "The upper bits that the last read of a lower half kept.", COUNTER_BITS - 32),
        )
    ),
    Register("INTERRUPT_ENABLE", 0x60, "rw", "What raises the output irq.", tuple(
        Field(name, k, 1, f"Interrupt while {name} is pending.")
        for k, (name, _) in enumerate(_CAUSES)
    )),
    Register("INTERRUPT_PENDING", 0x64, "w1", "What has happened since it was cleared, whether it "
             "interrupts or not.", tuple(
        Field(name, k, 1, text) for k, (name, text) in enumerate(_CAUSES)
    )),
    *(
        Register(
            f"ADDRESS_{name.upper()}", 0x68 + 4 * k, "rw", "Of the next job, with ports=memory.",
            (Field("value", 0, BUS_ADDRESS_BITS, f"Where {what} in memory."),), True,
        )
        for k, (name, what) in enumerate(_PLACES.items())
    ),
    Register("MAP", 0x80, "rw", "The feature map of the next job, with convolution=yes.", (
        Field("width", 0, 16, "Columns."),
        Field("height", 16, 16, "Lines."),
    )),
    Register("CHANNELS", 0x84, "rw", "Its channels.", (
        Field("map_channels", 0, 16, "All that are stored with a position."),
        Field("first_channel", 16, 16, "The first one that the kernel takes."),
    )),
    Register("KERNEL", 0x88, "rw", "The kernel's size.", (
        Field("kernel_width", 0, 8, "Columns."),
        Field("kernel_height", 8, 8, "Lines."),
        Field("channels", 16, 16, "Channels that it takes."),
    )),
    Register("OUTPUT", 0x8C, "rw", "The result's size; N is the product.", (
        Field("out_width", 0, 16, "Columns."),
        Field("out_height", 16, 16, "Lines."),
    )),
    Register("MOVE", 0x90, "rw", "How the kernel moves.", (
        Field("stride", 0, 4, "Positions from a window to the next."),
        Field("dilation", 8, 8, "Positions from a tap of the kernel to the next."),
        Field("pad_left", 16, 8, "How far left of the map the first window begins."),
        Field("pad_top", 24, 8, "How far above."),
    )),
)  # fmt: skip

CONVOLUTION_REGISTERS = ("MAP", "CHANNELS", "KERNEL", "OUTPUT", "MOVE")
"""Those whose fields are a `hfp8_hw.jobs.Convolution`'s; there with ``convolution=yes``."""

JOB_REGISTERS = ("OPERANDS", "RESULT")
"""Those whose fields are a job's, by name; M, N and K are its sizes."""

ADDRESS_REGISTERS = tuple(one.name for one in REGISTERS if one.memory)
"""Where its matrices are, with ``ports=memory``."""

JOB_WORDS = ("M", "N", "K", *JOB_REGISTERS, *CONVOLUTION_REGISTERS, *ADDRESS_REGISTERS)
"""All that a program writes to describe a job."""

ID = 0x48465038
QUEUE_FULL = 7
"""The error code of a start while the queue is full; the others are `hfp8_hw.jobs.JobError`."""
BUS_READ, BUS_WRITE = 13, 14
"""Those of a word that came from memory, or went there, with an error."""

OTHER_ERRORS = {
    "QUEUE_FULL": (QUEUE_FULL, "a job was started while the queue was full, and is lost"),
    "BUS_READ": (BUS_READ, "memory gave an error to a read; a job went on with what came"),
    "BUS_WRITE": (BUS_WRITE, "memory gave an error to a write; results are not all in memory"),
}
"""Error codes that no refusal has, by name, and what they mean."""


def registers_of(parameters: CoreParameters) -> tuple[Register, ...]:
    """The registers that a core has."""
    memory = parameters.ports == "memory"
    absent = () if parameters.convolution == "yes" else CONVOLUTION_REGISTERS
    return tuple(one for one in REGISTERS if (memory or not one.memory) and one.name not in absent)


def fixed_words(parameters: CoreParameters) -> dict[str, int]:
    """The registers that never change, by name, and what they read as."""
    p = parameters
    numbers = [int(part) for part in f"{__version__}.0.0".split(".")[:3]]
    sizes = {"rows": p.rows, "cols": p.cols, "lanes": p.lanes, "drains": p.drains}
    return {
        "ID": ID,
        "VERSION": packed("VERSION", dict(zip(("major", "minor", "patch"), numbers, strict=True))),
        "HASH": int(p.top[-8:], 16),
        "GEOMETRY": packed("GEOMETRY", sizes),
    }


def register(name: str) -> Register:
    """A register by name."""
    names = {one.name: one for one in REGISTERS}
    return names[check_choice("name", name, names)]


def packed(name: str, values: dict[str, int]) -> int:
    """The word of a register whose fields have these values; those not given are 0.

    Raises
    ------
    ParameterError
        For a field that the register lacks, or a value that does not fit.
    """
    fields = {field.name: field for field in register(name).fields}
    word = 0
    for key, value in values.items():
        field = fields[check_choice("field", key, fields)]
        if not 0 <= value < 1 << field.width:
            raise ParameterError(
                f"{key}={value!r} is not allowed: an integer from 0 to {(1 << field.width) - 1}"
            )
        word |= value << field.low
    return word


def unpacked(name: str, word: int) -> dict[str, int]:
    """The fields of a register's word."""
    return {f.name: word >> f.low & ((1 << f.width) - 1) for f in register(name).fields}


def job_words(job: GemmJob, addresses: Addresses | None = None) -> dict[str, int]:
    """The registers to write, by name and in this order, to start a job.

    ``addresses`` are for a core with ``ports=memory``.

    Raises
    ------
    ParameterError
        For what is no job, or no `Addresses`.
    """
    check_job(job)
    if not isinstance(addresses, Addresses | None):
        raise ParameterError(f"addresses={shown(addresses)} is not allowed: Addresses or None")
    words = {"M": job.m, "N": job.n, "K": job.k}
    sources: dict[str, object] = dict.fromkeys(JOB_REGISTERS, job)
    if job.convolution is not None:
        sources |= dict.fromkeys(CONVOLUTION_REGISTERS, job.convolution)
    for name, source in sources.items():
        # Negative numbers in two's complement.
        words[name] = packed(
            name,
            {
                field.name: int(getattr(source, field.name)) & ((1 << field.width) - 1)
                for field in register(name).fields
            },
        )
    if addresses is not None:
        for place in fields(addresses):
            words[f"ADDRESS_{place.name.upper()}"] = getattr(addresses, place.name)
    return words | {"START": 1}
