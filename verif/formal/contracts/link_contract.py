"""The contract of a board's serial link, as Verilog modules with assertions around its parts.

Every byte that comes is any, at any time, broken or not; resets come too, once there was one. A
frame has been dealt with at any moment, while there is one.

receiver
    - ``frame``: a frame that was accepted stays, header too, until it has been dealt with, whatever
      comes meanwhile; then it is gone, and there is none that was not accepted. A zero byte, and
      nothing else, ends a frame: it is then accepted or counted as damaged, one of both, if it had
      a byte;
    - ``bytes``: a byte of the payload that is offered stays until it is taken, or the frame has
      been dealt with, and none is offered without a frame;
    - ``anew``: after a zero byte that does not complete a good frame, the receiver accepts and
      drops what one does that was just reset: it always begins anew.
sender
    - ``bytes``: a byte that is offered stays until it is taken, while nothing is asked that is not
      allowed.
"""

from __future__ import annotations

from collections.abc import Callable

from hfp8_hw.errors import ParameterError
from rtl_gen.board import INNER, link_part

from ..claims import Problem

_IN = "  input [7:0] data, input valid, broken, byte_ready, done, input clk, rst"
_NAMES = ("version", "sequence", "opcode", "length")
_BITS: dict[str, tuple[int, int]] = {}
"""By register of `INNER`, its highest and its lowest bit in ``inner``."""
for _name in reversed(INNER):
    _low = max((high for high, _ in _BITS.values()), default=-1) + 1
    _BITS[_name] = _low + INNER[_name] - 1, _low
_STARTED = """  reg started = 0;
  always @(posedge clk) if (rst) started <= 1;
"""


def _receiver(suffix: str, reset: str) -> str:
    """A receiver, and what comes out of it in wires with a suffix."""
    headers = "".join(f", .\\{name} (h{suffix}_{name})" for name in _NAMES)
    wires = "".join(
        f"  wire [{15 if name == 'length' else 7}:0] h{suffix}_{name};\n" for name in _NAMES
    )
    return f"""{wires}  wire [7:0] out{suffix};
  wire [{sum(INNER.values()) - 1}:0] inner{suffix};
  wire full{suffix}, out_valid{suffix}, good{suffix}, damaged{suffix};
  receiver part{suffix}(.clk(clk), .rst({reset}), .data(data), .valid(valid), .broken(broken),
    .full(full{suffix}){headers}, .\\byte (out{suffix}), .byte_valid(out_valid{suffix}),
    .byte_ready(byte_ready), .done(done), .good(good{suffix}), .damaged(damaged{suffix}),
    .inner(inner{suffix}));
"""


_FRAME = """  always @* assume (!done || full);
  wire ends = valid && !broken && data == 0;
  wire [39:0] header = {h_version, h_sequence, h_opcode, h_length};
  reg had = 0, came = 0, some = 0;
  reg [39:0] held;
  always @(posedge clk) begin
    had <= full && !done && !rst;
    came <= good && !rst;
    held <= header;
    some <= !rst && !ends && (some || valid);
    if (started) begin
      stays: assert (!had || full);
      header_stays: assert (!had || header == held);
      accepted: assert (full == (had || came));
      at_a_zero: assert (!(good || damaged) || ends);
      one_of_both: assert (!ends || some == (good ^ damaged));
      not_both: assert (!(good && damaged));
    end
  end
"""
_BYTES = """  reg waits = 0;
  reg [7:0] held;
  always @(posedge clk) begin
    waits <= VALID && !TAKEN && !rst;
    held <= OUT;
    if (started) stays: assert (!waits || VALID && OUT == held);
MORE  end
"""
_ANEW = """  wire ends = valid && !broken && data == 0;
  (* anyseq *) wire now;
  assign begin_anew = now && ends && !good && !full;
  reg both = 0;
  always @(posedge clk) begin
    both <= !rst && (both || begin_anew);
    if (started && both) begin
      accepts: assert (good == good_new);
      drops: assert (damaged == damaged_new);
      has: assert (full == full_new);
    end
  end
"""


def _frame() -> str:
    return f"{_IN}\n);\n{_receiver('', 'rst')}{_STARTED}{_FRAME}"


def _bytes() -> str:
    checks = _BYTES.replace("VALID", "out_valid").replace("OUT", "out")
    checks = checks.replace("TAKEN", "(byte_ready || done)")
    more = "    if (started) with_a_frame: assert (!out_valid || full);\n"
    return f"{_IN}\n);\n{_receiver('', 'rst')}{_STARTED}{checks.replace('MORE', more)}"


def _anew() -> str:
    parts = _receiver("", "rst") + _receiver("_new", "rst || begin_anew")
    return f"{_IN}\n);\n  wire begin_anew;\n{parts}{_STARTED}{_ANEW}"


def _sender() -> str:
    checks = _BYTES.replace("VALID", "valid").replace("OUT", "data").replace("TAKEN", "ready")
    return f"""  input starts, again, finish, put_valid, ready, input [7:0] put, input clk, rst
);
  wire busy, valid;
  wire [7:0] data;
  sender part(.clk(clk), .rst(rst), .\\begin (starts), .put(put), .put_valid(put_valid),
    .finish(finish), .again(again), .busy(busy), .data(data), .valid(valid), .ready(ready));
  always @* assume (!busy || !(starts || again || finish || put_valid));
{_STARTED}{checks.replace("MORE", "")}"""


_PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "receiver": {"frame": _frame, "bytes": _bytes, "anew": _anew},
    "sender": {"bytes": _sender},
}
PROPERTIES = tuple(_PARTS)


_EASED = {
    "frame": f"""  wire inside = inner[{_BITS["begun"][0]}], lost = inner[{_BITS["spoilt"][0]}];
  always @(posedge clk) if (started) begin
    begun: assert (some == inside);
    spoilt: assert (!full || !inside || lost);
  end
""",
    "anew": f"""  wire [9:0] count = inner[{_BITS["count"][0]}:{_BITS["count"][1]}];
  always @(posedge clk) if (started && both) begin
    alike: assert (inner == inner_new);
    low: assert (count < 4 || h_length[7:0] == h_new_length[7:0]);
    high: assert (count < 5 || h_length[15:8] == h_new_length[15:8]);
  end
""",
    "bytes": "",
}
"""By part, what makes it follow from itself: of registers within."""


def problems(name: str, verilog: str | None = None) -> dict[str, Problem]:
    """What has to be proved of one of `PROPERTIES`, by part; ``verilog`` stands in for its own.

    Raises
    ------
    ParameterError
        If there is no such property.
    """
    if name not in PROPERTIES:
        raise ParameterError(
            f"property={name!r} is not allowed for link: {' or '.join(PROPERTIES)}"
        )
    unit = link_part(name) if verilog is None else verilog
    script = "read_verilog unit.v\nread_verilog -formal prove.sv\n"

    def problem(text: str, eased: Problem | None) -> Problem:
        files = {"unit.v": unit, "prove.sv": f"module prove(\n{text}endmodule\n"}
        return Problem(files, script, eased=eased, clocks=3)

    return {
        part: problem(make(), problem(make() + _EASED[part], None))
        for part, make in _PARTS[name].items()
    }
