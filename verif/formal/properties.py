"""What is proved of a unit, as Verilog modules with assertions around it.

stream, progress
    Of the streams, over any number of clocks; see `verif.formal.contracts.stream_contract`.
pipeline
    The unit is its combinational form (itself, with wires for registers), ``latency`` moves
    later, where it moves unless its output waits: with any pattern of stalls, valid and resets,
    in order, nothing lost or given twice. Units without a state; of sums, see
    `verif.formal.sum_induction`.
arithmetic
    The combinational form is the specification of `verif.formal.specification.unit_arithmetic`,
    for all inputs; of sums, what an item makes of any of them.
registers
    Of a core, and so is ``stream`` there: see `verif.formal.contracts.axi_contract`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hfp8_hw.errors import ParameterError
from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import Package

from ..stimulus import input_space
from ..stimulus.ports import Field, payload
from . import claims, sum_induction
from .claims import COMBINATIONAL, Problem
from .contracts import axi_contract, stream_contract
from .step_function import evert

PROPERTIES = ("stream", "progress", "pipeline", "arithmetic", "registers")


def problems(package: Package, name: str) -> dict[str, Problem]:
    """What has to be proved for one property, by name.

    Raises
    ------
    ParameterError
        If the property is not one of the unit's.
    """
    if name not in PROPERTIES:
        raise ParameterError(
            f"property={name!r} is not allowed: one or more of {', '.join(PROPERTIES)}"
        )
    if axi_contract.offered(package):
        return axi_contract.problems(package, name)
    if name == "registers":
        raise ParameterError(
            f"property={name!r} is not allowed for {package.manifest['unit']}: only for core"
        )
    if name in stream_contract.PARTS:
        return {
            part: stream_contract.problem(package, part) for part in stream_contract.PARTS[name]
        }
    if sum_induction.offered(package):
        return {
            name: sum_induction.control(package)
            if name == "pipeline"
            else sum_induction.step(package)
        }
    if input_space.has_state(package):
        raise ParameterError(
            f"property={name!r} is not allowed for {package.manifest['unit']}: "
            "its results depend on more "
            "than one transfer"
        )
    return {name: _pipeline(package) if name == "pipeline" else claims.arithmetic(package)}


def known(unit: str) -> tuple[str, ...]:
    """The properties that a unit of this name can have at all, whatever its parameters."""
    if unit == CoreParameters.unit:
        return axi_contract.PROPERTIES
    return tuple(name for name in PROPERTIES if name != "registers")


def check_known(wanted: Sequence[str], units: Iterable[str], every: bool = False) -> None:
    """Refuse properties that none of these units can have, before one of them is generated; with
    ``every``, properties that one of them cannot have.

    Raises
    ------
    ParameterError
    """
    units = list(dict.fromkeys(units))
    there = [name for name in wanted if any(name in known(unit) for unit in units)]
    for name in wanted:
        if name not in there and (every or not there):
            what = " or ".join(known(units[0])) if len(units) == 1 else "only for core"
            raise ParameterError(f"property={name!r} is not allowed for {', '.join(units)}: {what}")


def offered(package: Package) -> list[str]:
    """The properties that can be asked of a unit."""
    found = []
    for name in PROPERTIES:
        try:
            problems(package, name)
        except ParameterError:
            continue
        found.append(name)
    return found


def _joined_as(fields: list[Field], prefix: str) -> str:
    return "{" + ", ".join(f"{prefix}_{f.port}" for f in fields) + "}"


def _pipeline(package: Package) -> Problem:
    """Without time: the step function, chained over ``latency`` moves from any state.

    A step that moves, whatever the registers hold, and ``latency`` - 1 more bring the result of
    the first one's input; a step whose result is not taken changes no register, so stalls in
    between do not matter; after a reset none of the results of what was in the registers appear.
    """
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]
    step, latency = evert(package), int(package.manifest["latency"])
    width, results = sum(f.width for f in ins), sum(f.width for f in outs)
    slices, offset = {}, 0
    for f in reversed(ins):
        slices[f.port] = f"[{offset} +: {f.width}]"
        offset += f.width
    registers = range(len(step.widths))

    def instance(name: str, before: str, x: str, valid: str, ready: str, rst: str) -> str:
        """One step: its state before is NAME_q of ``before``; wires NAME_q0.. are after."""
        lines = [f"  wire [{w - 1}:0] {name}_q{k};" for k, w in enumerate(step.widths)]
        lines += [f"  wire [{f.width - 1}:0] {name}_{f.port};" for f in outs]
        lines.append(f"  wire {name}_ready, {name}_valid;")
        lines.append(f"  wire [{results - 1}:0] {name}_y = {_joined_as(outs, name)};")
        wired = [f".q{k}({before}_q{k}), .d{k}({name}_q{k})" for k in registers]
        wired += [f".{f.port}({x}{slices[f.port]})" for f in ins]
        wired += [f".{f.port}({name}_{f.port})" for f in outs]
        lines.append(
            f"  step step_{name}(.rst({rst}), .i_valid({valid}), .o_ready({ready}), "
            f".i_ready({name}_ready), .o_valid({name}_valid), {', '.join(wired)});"
        )
        return "\n".join(lines) + "\n"

    steps = range(1, latency + 2)
    free = "".join(f", input [{w - 1}:0] any_q{k}" for k, w in enumerate(step.widths))
    free += "".join(f", input [{width - 1}:0] x{k}, input v{k}" for k in steps)
    chain, checks = [], []
    for k in steps:
        before = "any" if k == 1 else f"move{k - 1}"
        # The last one only shows its result: it moves or not.
        ready = "1'b1" if k <= latency else "ready"
        chain.append(instance(f"move{k}", before, f"x{k}", f"v{k}", ready, "1'b0"))
        if k <= latency:
            checks.append(f"    assert (move{k}_ready);")
    last = f"move{latency + 1}"
    checks += [
        f"    assert ({last}_valid == v1);",
        f"    assert ({last}_ready == (!{last}_valid || ready));",
        f"    if (v1) assert ({last}_y == {_joined_as(outs, 'form')});",
    ]
    chain.append(instance("hold", "any", "x1", "v1", "1'b0", "1'b0"))
    held = " && ".join(f"hold_q{k} == any_q{k}" for k in registers)
    checks += ["    if (hold_valid) begin", f"      assert ({held});",
               "      assert (!hold_ready);", "    end"]  # fmt: skip
    chain.append(instance("reset0", "any", "x1", "v1", "ready", "1'b1"))
    for k in range(1, latency + 1):
        chain.append(instance(f"reset{k}", f"reset{k - 1}", f"x{k}", f"v{k}", "1'b1", "1'b0"))
        checks.append(f"    assert (!reset{k}_valid);")
    form = "".join(f"  wire [{f.width - 1}:0] form_{f.port};\n" for f in outs)
    wired = "".join(f", .{f.port}(x1{slices[f.port]})" for f in ins)
    wired += "".join(f", .{f.port}(form_{f.port})" for f in outs)
    text = f"""module prove(input clk, input ready{free});
{"".join(chain)}{form}  combinational form(.clk(1'b0), .rst(1'b0), .i_valid(1'b1),
    .o_ready(1'b1){wired});
  always @(posedge clk) begin
{chr(10).join(checks)}
  end
endmodule
"""
    files = {"unit.v": package.verilog, "step.json": step.netlist, "prove.sv": text}
    form_script = COMBINATIONAL.format(top=package.manifest["top"])
    script = f"{form_script}read_json step.json\nread_verilog -formal prove.sv\n"
    return Problem(files, script)
