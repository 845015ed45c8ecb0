"""Arithmetic as a claim about one clock: a combinational module that says whether it holds.

Its outputs are ``allowed`` (the inputs are some that can be) and ``holds``. Provers get it with an
assertion around it, and `verif.formal.exhaustive` tries all of its inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hfp8_hw.formats import RUNTIME_BIAS_RANGE
from rtl_gen.package import Package

from ..stimulus.ports import Field, payload
from .specification import unit_arithmetic

COMBINATIONAL = """read_verilog unit.v
rename {top} combinational
proc; opt -full; opt_dff; opt_clean
techmap -map transparent.v
opt -full; check -assert
"""
"""Reads the unit as module ``combinational``, its registers as wires."""


@dataclass(frozen=True)
class Problem:
    """Files, and the Yosys commands that read them up to the module ``prove``.

    Members
    -------
    bits : int or None
        Where there is a module ``claim`` too, of one clock: the bits of its inputs.
    control : bool
        It depends on few registers, none of numbers.
    eased : Problem or None
        The same and more, so that all of it follows from itself over its ``clocks``.
    """

    files: dict[str, str]
    script: str
    bits: int | None = None
    control: bool = False
    eased: Problem | None = None
    clocks: int = 2


def declared(direction: str, fields: list[Field]) -> str:
    """Declarations of payload ports: inputs of a module, or wires for a unit's outputs."""
    kind = "input" if direction == "in" else "wire"
    end = "," if direction == "in" else ";"
    return "\n".join(f"  {kind} [{f.width - 1}:0] {f.port}{end}" for f in fields)


def pins(fields: list[Field], prefix: str = "") -> str:
    """Connections of payload ports to nets of the same names."""
    return "".join(f", .{f.port}({prefix}{f.port})" for f in fields)


def arithmetic(package: Package) -> Problem:
    """The combinational form is its specification, `specification.unit_arithmetic`."""
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    width = next(f.width for f in outs if f.port == "o_y")
    body = f"""{declared("out", outs)}
  wire [{width - 1}:0] y;
  wire [3:0] flags;
  combinational unit(.clk(1'b0), .rst(1'b0), .i_valid(1'b1), .o_ready(1'b1){pins(ins)}{pins(outs)});
  spec spec(.y(y), .flags(flags){pins(ins)});
  assign holds = o_y == y && o_flags == flags;
"""
    files = {"unit.v": package.verilog, "spec.v": unit_arithmetic.specification(package)}
    return stated(files, COMBINATIONAL.format(top=package.manifest["top"]), ins, body)


def ranges(ports: list[str]) -> list[str]:
    """What the values of input ports are allowed to be: run-time biases lie in their range."""
    low, high = RUNTIME_BIAS_RANGE
    return [
        f"$signed({port}) >= {low} && $signed({port}) <= {high}"
        for port in ports if port.startswith("i_bias")
    ]  # fmt: skip


def assumed(package: Package) -> str:
    """The same, assumed of all inputs of a unit."""
    ports = [p["name"] for p in package.manifest["ports"] if p["dir"] == "in"]
    lines = [f"    assume ({text});\n" for text in ranges(ports)]
    return f"  always @* begin\n{''.join(lines)}  end\n" if lines else ""


def labelled(checks: Sequence[str]) -> tuple[str, str]:
    """A net of its own for each claim, and the assertions ``claim0``, ``claim1`` ...

    Each may also hold because its bit of that net does, which nothing drives: of two assertions
    that are the same gates, Yosys would keep one, and its label alone.
    """
    nets = f"  (* anyseq *) wire [{len(checks)}:0] claim_waived;\n"
    lines = [f"      claim{k}: assert ({text} || claim_waived[{k}]);\n"
             for k, text in enumerate(f"({check})" for check in checks)]  # fmt: skip
    return nets, "".join(lines)


def stated(
    files: dict[str, str], script: str, ins: list[Field], body: str, allowed: str = "1'b1"
) -> Problem:
    """A claim as a module of its own, and an assertion around it; ``body`` drives ``holds``."""
    ports = declared("in", ins)
    claim = f"""module claim(
{ports}
  output allowed, holds
);
{body}  assign allowed = {" && ".join([allowed, *ranges([f.port for f in ins])])};
endmodule
"""
    prove = f"""module prove(
{ports}
  input clk
);
  wire allowed, holds;
  claim claim(.allowed(allowed), .holds(holds){pins(ins)});
  always @* assume (allowed);
  always @(posedge clk) assert (holds);
endmodule
"""
    files = {**files, "claim.v": claim, "prove.sv": prove}
    read = "read_verilog -sv spec.sv spec.v claim.v\nread_verilog -formal prove.sv\n"
    return Problem(files, script + read, sum(f.width for f in ins))
