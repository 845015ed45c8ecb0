"""The contract of a unit's streams, as Verilog modules with assertions around it.

Each part is a problem of its own: what holds a payload has thousands of registers in its cone but
an invariant of single ones, what counts has few registers but needs all their combinations.

stream
    After a reset, and resets may come at any time:

    - ``held``: a result that waits stays, payload too;
    - ``count``: there is no result without an input (of an accumulating unit: without an item that
      is the last of its sum), so nothing is invented or given twice.
progress
    - ``result``: while there is something to give and nothing waits at the output, a result comes
      within ``bound`` clocks, so nothing is lost and the unit does not stop;
    - ``accept``: with the output free, an input is taken within ``bound`` clocks.
"""

from __future__ import annotations

from math import ceil

from rtl_gen.package import Package

from ...stimulus.ports import Field, payload
from ...stimulus.reference import chunk_of
from .. import interleaved_results
from ..claims import Problem, declared, pins

PARTS = {"stream": ("held", "count"), "progress": ("result", "accept")}
"""By property."""

_COUNTED = """  wire put = {put}, get = o_valid && o_ready;
  always @(posedge clk) flight <= rst ? 0 : flight + put - get;
"""
_HELD = """  reg waiting = 0;
  reg [{width}-1:0] held;
  always @(posedge clk) begin
    waiting <= o_valid && !o_ready && !rst;
    held <= {outs};
    if (started && waiting) assert (o_valid && held == {outs});
  end
"""
_COUNT = """  always @(posedge clk) if (started) begin
    if (flight == 0) assert (!o_valid);
    assert (flight <= {limit});
  end
"""
_CLOCKS = """  reg [{bits}-1:0] clocks;
  always @(posedge clk) begin
    clocks <= !rst && {running} ? clocks + 1 : 0;
    if (started) assert (clocks < {limit});
  end
"""
_RUNNING = {
    "result": "flight != 0 && !o_valid",
    "accept": "i_valid && !i_ready && !(o_valid && !o_ready)",
}


def bound(package: Package) -> int:
    """Clocks within which something must come out, or be taken."""
    manifest = package.manifest
    parameters = manifest["parameters"]
    latency = manifest["latency"]
    usual: int = (latency or int(parameters.get("stages", 1))) + 2
    if manifest["golden"]["sum"] is None:
        return usual
    if parameters["semantics"] != "exact_chunk":
        turns = int(parameters.get("interleave", 1))
        # Items that come with pauses between them each wait for their turn.
        return 2 * usual + 8 + (int(parameters["stages"]) * turns if turns > 1 else 0)
    # Chunks of sums that were given up, and of its own, are rounded before a sum's last one: in
    # the back end, behind it, and as many as fit into the stages.
    chunk = chunk_of(manifest)
    ahead = 2 + -(-(int(parameters["stages"]) + int(parameters["segments"]) + 6) // chunk)
    return usual + 8 + ahead * chunk * ceil(manifest["interval"])


def _joined(fields: list[Field]) -> str:
    """All payload fields as one word."""
    return "{" + ", ".join(f.port for f in fields) + "}"


def problem(package: Package, part: str) -> Problem:
    """The problem of one of `PARTS`."""
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    parameters = package.manifest["parameters"]
    put, limit = "i_valid && i_ready", bound(package)
    most = limit
    if package.manifest["golden"]["sum"] is not None:
        put += " && i_last"
        # Results in flight.
        most = int(parameters["stages"]) + 2 * int(parameters.get("interleave", 1)) + 6
    checks = ""
    if part in ("count", "result"):
        # Wider than what it counts: so BDDs stay smaller than where it may wrap.
        checks = f"  reg [{(2 * most).bit_length()}:0] flight;\n" + _COUNTED.format(put=put)
    if part == "held":
        checks += _HELD.format(width=sum(f.width for f in outs), outs=_joined(outs))
    elif part == "count":
        checks += _COUNT.format(limit=most)
    else:
        bits = (limit + 1).bit_length()
        checks += _CLOCKS.format(bits=bits, running=_RUNNING[part], limit=limit)
    text = f"""module prove(
  input clk, rst, i_valid,
{declared("in", ins)}
  input o_ready
);
  wire i_ready, o_valid;
{declared("out", outs)}
  {package.manifest["top"]} unit(.clk(clk), .rst(rst), .i_valid(i_valid), .i_ready(i_ready),
    .o_valid(o_valid), .o_ready(o_ready){pins(ins)}{pins(outs)});
  reg started = 0;
  always @(posedge clk) if (rst) started <= 1;
{checks}"""
    script = "read_verilog unit.v\nread_verilog -formal prove.sv\n"

    def ended(text: str, script: str, eased: Problem | None) -> Problem:
        files = {"unit.v": package.verilog, "prove.sv": f"{text}endmodule\n"}
        return Problem(files, script, control=part != "held", eased=eased)

    eased = None
    if part != "held" and interleaved_results.offered(package):
        helps = interleaved_results.Ring(package).helps(part, _RUNNING.get(part, "0"), limit)
        eased = ended(text + helps, script + interleaved_results.JOINED, None)
    return ended(text, script, eased)
