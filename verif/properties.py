"""What is proved of a unit, as Verilog modules with assertions around it.

stream
    After a reset: a result that waits is held, payload too; there is no result without an input
    (of an accumulating unit: without an item that is the last of its sum), so nothing is
    invented or given twice; while there is something to give and nothing waits at the output, a
    result comes within ``bound`` clocks, so nothing is lost and the unit does not stop; with the
    output free, an input is taken within ``bound`` clocks. Resets may come at any time.
pipeline
    The unit is its combinational form (itself, with wires for registers), ``latency`` moves
    later, where it moves unless its output waits: with any pattern of stalls, valid and resets,
    in order, nothing lost or given twice. Units without a state.
arithmetic
    The combinational form is the specification of `verif.specify`, for all inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import RUNTIME_BIAS_RANGE
from rtl_gen.package import Package

from . import spaces
from .harness import Field, payload
from .specify import specification

PROPERTIES = ("stream", "pipeline", "arithmetic")

_COMBINATIONAL = """read_verilog unit.v
rename {top} combinational
proc; opt -full; opt_dff; opt_clean
techmap -map transparent.v
opt -full; check -assert
"""
"""Reads the unit as module ``combinational``, its registers as wires."""


@dataclass(frozen=True)
class Problem:
    """Files, and the Yosys commands that read them up to the module ``prove``."""

    files: dict[str, str]
    script: str


def problem(package: Package, name: str) -> Problem:
    """The problem of one property.

    Raises
    ------
    ParameterError
        If the property is not one of the unit's.
    """
    if name not in PROPERTIES:
        raise ParameterError(
            f"property={name!r} is not allowed: one or more of {', '.join(PROPERTIES)}"
        )
    if name == "stream":
        return _stream(package)
    if spaces.has_state(package):
        raise ParameterError(
            f"property={name!r} is not allowed for {package.name}: its results depend on more "
            "than one transfer"
        )
    return _pipeline(package) if name == "pipeline" else _arithmetic(package)


def offered(package: Package) -> list[str]:
    """The properties that can be asked of a unit."""
    found = []
    for name in PROPERTIES:
        try:
            problem(package, name)
        except ParameterError:
            continue
        found.append(name)
    return found


def bound(package: Package) -> int:
    """Clocks within which something must come out, or be taken; see the module's text."""
    manifest = package.manifest
    parameters = manifest["parameters"]
    latency = manifest["latency"]
    usual = (latency or int(parameters.get("stages", 1))) + 2
    if manifest["golden"]["sum"] is None:
        return usual
    return 2 * usual + 8


def _declared(direction: str, fields: list[Field]) -> str:
    kind = "input" if direction == "in" else "wire"
    end = "," if direction == "in" else ";"
    return "\n".join(f"  {kind} [{f.width - 1}:0] {f.port}{end}" for f in fields)


def _pins(fields: list[Field], prefix: str = "") -> str:
    return "".join(f", .{f.port}({prefix}{f.port})" for f in fields)


def _joined(fields: list[Field], suffix: str = "") -> str:
    return "{" + ", ".join(f"{f.port}{suffix}" for f in fields) + "}"


def _unit(package: Package, ins: list[Field], outs: list[Field]) -> str:
    return f"""  wire i_ready, o_valid;
{_declared("out", outs)}
  {package.manifest["top"]} unit(.clk(clk), .rst(rst), .i_valid(i_valid), .i_ready(i_ready),
    .o_valid(o_valid), .o_ready(o_ready){_pins(ins)}{_pins(outs)});
"""


def _assumed(package: Package) -> str:
    """What inputs are allowed to be: run-time biases lie in their range."""
    low, high = RUNTIME_BIAS_RANGE
    lines = [
        f"    assume ($signed({p['name']}) >= {low} && $signed({p['name']}) <= {high});\n"
        for p in package.manifest["ports"]
        if p["dir"] == "in" and p["name"].startswith("i_bias")
    ]
    return f"  always @* begin\n{''.join(lines)}  end\n" if lines else ""


def _stream(package: Package) -> Problem:
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    counted = "i_valid && i_ready"
    if package.manifest["golden"]["sum"] is not None:
        counted += " && i_last"
    limit = bound(package)
    bits = max(limit + 1, 2).bit_length()
    width = sum(f.width for f in outs)
    text = f"""module prove(
  input clk, rst, i_valid,
{_declared("in", ins)}
  input o_ready
);
{_unit(package, ins, outs)}
  reg started = 0, waiting = 0;
  reg [{width - 1}:0] held;
  reg [{bits - 1}:0] flight, late, stuck;
  wire put = {counted}, get = o_valid && o_ready;
  always @(posedge clk) begin
    waiting <= o_valid && !o_ready && !rst;
    held <= {_joined(outs)};
    flight <= flight + put - get;
    late <= flight != 0 && !o_valid ? late + 1 : 0;
    stuck <= i_valid && !i_ready && !(o_valid && !o_ready) ? stuck + 1 : 0;
    if (rst) begin
      started <= 1; flight <= 0; late <= 0; stuck <= 0;
    end
    if (started) begin
      if (waiting) begin
        assert (o_valid);
        assert (held == {_joined(outs)});
      end
      if (flight == 0) assert (!o_valid);
      assert (flight <= {limit});
      assert (late < {limit});
      assert (stuck < {limit});
    end
  end
endmodule
"""
    return Problem(
        {"unit.v": package.verilog, "prove.sv": text},
        "read_verilog unit.v\nread_verilog -formal prove.sv\n",
    )


def _pipeline(package: Package) -> Problem:
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    latency = int(package.manifest["latency"])
    width = sum(f.width for f in ins)
    stages, results = [], sum(f.width for f in outs)
    offset, slices = 0, {}
    for f in reversed(ins):
        slices[f.port] = f"[{offset} +: {f.width}]"
        offset += f.width
    for k in range(1, latency + 1):
        before = _joined(ins) if k == 1 else f"x{k - 1}"
        arrived = "i_valid" if k == 1 else f"v{k - 1}"
        pins = "".join(f", .{f.port}(x{k}{slices[f.port]})" for f in ins)
        own = "".join(f"  wire [{f.width - 1}:0] {f.port}_{k};\n" for f in outs)
        gives = "".join(f", .{f.port}({f.port}_{k})" for f in outs)
        stages.append(f"""  reg [{width - 1}:0] x{k}; reg v{k};
{own}  combinational form_{k}(.clk(1'b0), .rst(1'b0), .i_valid(1'b1), .o_ready(1'b1){pins}{gives});
  wire [{results - 1}:0] y{k} = {_joined(outs, f"_{k}")};
  always @(posedge clk) begin
    if (i_ready) begin x{k} <= {before}; v{k} <= {arrived}; end
    if (rst) v{k} <= 0;
  end
""")
    text = f"""module prove(
  input clk, rst, i_valid,
{_declared("in", ins)}
  input o_ready
);
{_unit(package, ins, outs)}
{"".join(stages)}
  reg started = 0;
  always @(posedge clk) begin
    if (rst) started <= 1;
    if (started) begin
      assert (o_valid == v{latency});
      assert (i_ready == (!v{latency} || o_ready));
      if (o_valid) assert ({_joined(outs)} == y{latency});
    end
  end
endmodule
"""
    files = {"unit.v": package.verilog, "prove.sv": text}
    script = f"{_COMBINATIONAL.format(top=package.manifest['top'])}read_verilog unit.v\nread_verilog -formal prove.sv\n"
    return Problem(files, script)


def _arithmetic(package: Package) -> Problem:
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    spec = specification(package)
    wires: dict[str, Any] = {f.port: f.width for f in outs}
    text = f"""module prove(
  input clk,
{_declared("in", ins).rstrip(",")}
);
{_declared("out", outs)}
  wire [{wires["o_y"] - 1}:0] y;
  wire [3:0] flags;
  combinational unit(.clk(1'b0), .rst(1'b0), .i_valid(1'b1), .o_ready(1'b1){_pins(ins)}{_pins(outs)});
  spec spec(.y(y), .flags(flags){_pins(ins)});
{_assumed(package)}  always @(posedge clk) begin
    assert (o_y == y);
    assert (o_flags == flags);
  end
endmodule
"""
    files = {"unit.v": package.verilog, "spec.v": spec, "prove.sv": text}
    script = f"{_COMBINATIONAL.format(top=package.manifest['top'])}read_verilog -sv spec.sv spec.v\nread_verilog -formal prove.sv\n"
    return Problem(files, script)
