"""The bundles of signals that go between the parts of the core."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Mux, ShapeLike, signed, unsigned
from amaranth.lib import data

from ...formats import SCALE_WIDTH
from ...jobs import BUS_ADDRESS_BITS, MAX_PAGES, MAX_SIZE
from ...parameters import CoreParameters
from ...parameters.layout import Layout
from ...registers import CONVOLUTION_REGISTERS, register
from ..numbers.shape import Amaranth

SIZE_BITS = MAX_SIZE.bit_length()
PAGE_BITS = (MAX_PAGES - 1).bit_length()
UNCHECKED = {"no_rw_check": 1}
"""Of a memory: what it reads in the clock that writes the same word is not used. So synthesis adds
nothing behind a block RAM to make that the old word, which would take a LUT and a flip-flop for
each bit, and time."""

_SUMS: dict[str, ShapeLike] = {
    "m": unsigned(SIZE_BITS),
    "n": unsigned(SIZE_BITS),
    "k": unsigned(SIZE_BITS),
    "transpose_a": 1,
    "transpose_b": 1,
    "mode_a": 1,
    "mode_b": 1,
    "load_a": 1,
    "load_b": 1,
    "page_a": unsigned(PAGE_BITS),
    "page_b": unsigned(PAGE_BITS),
    "convolve": 1,
}
_CONVOLUTION: dict[str, ShapeLike] = {
    field.name: unsigned(field.width)
    for name in CONVOLUTION_REGISTERS
    for field in register(name).fields
}
_EPILOGUE: dict[str, ShapeLike] = {
    "relu": 1,
    "quantize": 1,
    "mode_y": 1,
    "bias": 1,
    "accumulate": 1,
    "store": 1,
    "silent": 1,
    "page_y": unsigned(PAGE_BITS),
    "scale": signed(SCALE_WIDTH),
}


def _fields(p: CoreParameters) -> dict[str, ShapeLike]:
    more = _CONVOLUTION if p.convolution == "yes" else {}
    return _SUMS | ({"asks": 1} if p.epilogue == "none" else _EPILOGUE) | more


def job_record(p: CoreParameters) -> data.StructLayout:
    """A job as it is given: the fields of `hfp8_hw.jobs.GemmJob`.

    Without an epilogue ``asks`` stands for all that it would do: any of these fields is set.
    """
    return data.StructLayout(_fields(p))


def queued_job(p: CoreParameters) -> data.StructLayout:
    """A job as it waits in the queue: with ``ports=memory`` also with its addresses."""
    members = dict(_fields(p))
    if p.ports == "memory":
        members |= {f"address_{name}": unsigned(BUS_ADDRESS_BITS) for name in p.places}
    return data.StructLayout(members)


def uses(p: CoreParameters, job: Any) -> list[tuple[str, Amaranth]]:
    """Of what a job may have in memory, whether it makes use of it."""
    one = Const(1, 1)
    used = {"a": job.load_a, "b": job.load_b, "y": one if p.epilogue == "none" else ~job.silent}
    if p.epilogue == "full":
        used |= {"bias": job.bias, "c": job.accumulate}
    return [(name, used[name]) for name in p.places]


def word_bits(layout: Layout) -> int:
    """Bits of a word's number in its page."""
    return (layout.words - 1).bit_length()


def address_bits(layout: Layout, pages: int) -> int:
    """Bits of a word's address in the scratchpad: page, then word."""
    return max(1, word_bits(layout) + (pages - 1).bit_length())


def sizes(layout: Layout) -> data.StructLayout:
    """What intake finds out about a stored operand.

    ``row_words`` of `Layout`, and ``group_words``, ``groups`` times that.
    """
    return data.StructLayout(
        {
            "row_words": unsigned(layout.words.bit_length()),
            "group_words": unsigned((layout.words * layout.groups).bit_length()),
        }
    )


def bias_length(p: CoreParameters, job: Any) -> Amaranth:
    """Codes of a job's bias: for each column of C, with a convolution for each row."""
    return Mux(job.convolve, job.m, job.n)[:SIZE_BITS] if p.convolution == "yes" else job.n


def place(p: CoreParameters) -> data.StructLayout:
    """Where a position of a map is in B's page, or how far one is from another.

    ``words`` to the word of its square, ``turn`` to that one's group, ``row`` of the square. A row
    beyond the last is one of the next square: ``row_words`` words and a group further. All are
    modulo what a page has, so what lies ahead of its beginning is at its end.
    """
    layout = p.b_layout
    return data.StructLayout(
        {
            "words": unsigned(word_bits(layout)),
            "turn": unsigned((layout.groups - 1).bit_length()),
            "row": unsigned((layout.short - 1).bit_length()),
        }
    )


def map_plan(p: CoreParameters) -> data.StructLayout:
    """How a convolution moves through its map.

    A line of the map is stored in ``stride`` phases of ``phase`` positions; those after
    ``phase_last`` have one less. The map has so many ``rows`` in all.

    From the first tap of the first window (``start``, which is position ``index_first`` of
    ``phase_first``) it is ``down`` to the next line of windows, ``under`` to the next line of taps,
    and to the next tap ``index_step`` positions and ``phase_step`` phases: ``beside``, or, if there
    are not so many phases, ``around``, a position further.
    """
    moves = ("start", "down", "under", "beside", "around")
    return data.StructLayout(
        {
            **dict.fromkeys(moves, place(p)),
            "rows": unsigned(SIZE_BITS),
            "phase": unsigned(SIZE_BITS),
            "phase_last": unsigned(4),
            "phase_first": unsigned(4),
            "phase_step": unsigned(4),
            "index_first": signed(9),
            "index_step": unsigned(8),
        }
    )


def accepted(p: CoreParameters) -> data.StructLayout:
    """A job that is allowed: with the sizes of its operands, and of its result if that can be kept
    as one."""
    more = {"y": sizes(p.a_layout)} if p.keeps else {}
    if p.convolution == "yes":
        more["plan"] = map_plan(p)
    return data.StructLayout(
        {"job": job_record(p), "a": sizes(p.a_layout), "b": sizes(p.b_layout), **more}
    )


def operand_codes(p: CoreParameters, side: str) -> tuple[int, int]:
    """(codes of a beat of an operand's stream, bits that each takes there)."""
    layout, formats = (p.a_layout, p.a_formats) if side == "a" else (p.b_layout, p.b_formats)
    return layout.beat, -(-formats[0].width // 8) * 8


def beat(p: CoreParameters, side: str) -> data.StructLayout:
    """A beat of an operand's stream."""
    count, bits = operand_codes(p, side)
    return data.StructLayout({"data": unsigned(count * bits), "last": 1})


def addend_bits(p: CoreParameters) -> int:
    """Bits that a code of the accumulator's format takes in the stream of biases and of C."""
    return -(-p.acc_format.width // 8) * 8


def addend_beat(p: CoreParameters) -> data.StructLayout:
    """A beat of that stream: ``drains`` codes, of a bias or of C as results leave."""
    return data.StructLayout({"data": unsigned(p.drains * addend_bits(p)), "last": 1})


def result_bits(p: CoreParameters) -> int:
    """Bits that a result takes in the output stream, in whichever format it is."""
    return max(-(-fmt.width // 8) * 8 for fmt in (p.acc_format, *p.y_formats))


def result_beat(p: CoreParameters) -> data.StructLayout:
    """A beat of the output stream: ``drains`` results, their flags, which of them there are."""
    return data.StructLayout(
        {
            "data": unsigned(p.drains * result_bits(p)),
            "flags": unsigned(4 * p.drains),
            "keep": unsigned(p.drains),
            "last": 1,
        }
    )


def summary(p: CoreParameters) -> data.StructLayout:
    """What is known of a job at its end: its flags ORed; the largest finite magnitude of its
    results, and whether one was NaN or infinite."""
    return data.StructLayout({"flags": 4, "amax": unsigned(p.acc_format.width - 1), "special": 1})


def sent_beat(p: CoreParameters) -> data.StructLayout:
    """What waits for the output stream.

    With an epilogue, `summary` at a job's last beat; a ``silent`` beat is no beat of the stream.
    """
    more = {} if p.epilogue == "none" else {"silent": 1, "summary": summary(p)}
    return data.StructLayout({"beat": result_beat(p), **more})


def tile(p: CoreParameters) -> data.StructLayout:
    """What the drain has to know of a tile: how many rows and columns of it belong to C, whether it
    is a job's last.

    With sums in chunks also whether they are the first (``opening``) and the last of a tile.
    """
    return data.StructLayout(
        {
            "rows": unsigned(p.rows.bit_length()),
            "cols": unsigned(p.tile_cols.bit_length()),
            "last": 1,
            **(dict.fromkeys(("opening", "closing"), 1) if p.in_chunks else {}),
        }
    )


def step(p: CoreParameters) -> data.StructLayout:
    """What the sequencer issues in a clock, beside the addresses: which lanes, of which turn.

    With convolutions also in which ``columns`` there is something to add.
    """
    return data.StructLayout(
        {
            "first": 1,
            "last": 1,
            "mask": unsigned(p.lanes),
            "turn": unsigned((p.turns - 1).bit_length()),
            "mode_a": 1,
            "mode_b": 1,
            "tile": tile(p),
            **({"columns": unsigned(p.cols)} if p.convolution == "yes" else {}),
        }
    )


def reading(p: CoreParameters, side: str) -> data.StructLayout:
    """Where an operand is read in a clock.

    The square that position u of a block needs is at ``base + u * stride``, in group
    (u + ``turn``) mod ``groups``; ``along`` says that the block's long side lies along the stored
    rows.

    A block of a map may begin in any ``row`` of its squares: then what is above that comes from the
    squares below, which are ``down`` words further.
    """
    layout = p.a_layout if side == "a" else p.b_layout
    more: dict[str, ShapeLike] = {}
    if side == "b" and p.convolution == "yes":
        more["row"] = unsigned((layout.short - 1).bit_length())
        more["down"] = unsigned(layout.words.bit_length())
    return data.StructLayout(
        {
            "base": unsigned(address_bits(layout, p.pages)),
            "stride": unsigned(layout.words.bit_length()),
            "turn": unsigned((layout.groups - 1).bit_length()),
            "along": 1,
            **more,
        }
    )
