"""Two circuits side by side: a unit and a changed copy, which nobody can tell apart."""

from __future__ import annotations

from rtl_gen.package import Package

from ..stimulus.ports import Field, payload
from .claims import Problem, declared, pins
from .step_function import step

PREPARED = "read_verilog unit.v; hierarchy -check -top {top}; proc; flatten; opt -full; opt_clean"
"""Yosys commands that read a unit as it is compared."""


def miter(package: Package, netlist: str, chosen: str) -> Problem:
    """The unit beside a changed copy, from reset: what can be seen of both is the same.

    Parameters
    ----------
    netlist : str
        Module ``mutants`` (RTLIL): the unit, with one more input.
    chosen : str
        The connection of that input.
    """
    ins, outs = payload(package.manifest, "in")[0], payload(package.manifest, "out")[0]

    def side(module: str, prefix: str, more: str) -> str:
        return f"""{_wires(prefix, outs)}  {module} {prefix}(.clk(clk), .rst(rst),
    .i_valid(i_valid), .o_ready(o_ready){pins(ins)}{_gives(prefix, outs)}{more});
"""

    text = f"""{_head(ins)});
{side(package.manifest["top"], "good", "")}{side("mutants", "bad", chosen)}
{_from_reset(outs)}endmodule
"""
    files = {"unit.v": package.verilog, "mutants.il": netlist, "prove.sv": text}
    # Registers that no reset sets start alike, at zero.
    script = (
        "read_verilog unit.v\nread_rtlil mutants.il\nread_verilog -formal prove.sv\n"
        "hierarchy -check -top prove; proc; flatten; opt -full; opt_clean\n"
        "setundef -init -zero\n"
    )
    return Problem(files, script)


class Steps:
    """The step functions of the unit and of a changed copy, as `miter` takes it."""

    def __init__(self, package: Package, netlist: str, chosen: str) -> None:
        top = package.manifest["top"]
        good = step(package.verilog, ".v", f"{PREPARED.format(top=top)}; dffunmap", top, "good")
        bad = step(netlist, ".il", "read_rtlil unit.il; dffunmap", "mutants", "bad")
        self.correspond = good.widths == bad.widths
        self._widths = list(enumerate(good.widths))
        self._files = {"good.json": good.netlist, "bad.json": bad.netlist}
        self._chosen = chosen
        self._ins, self._outs = (payload(package.manifest, way)[0] for way in ("in", "out"))

    def _side(self, name: str, held: str) -> str:
        wires = "".join(f"  wire [{w - 1}:0] {name}_d{k};\n" for k, w in self._widths)
        states = "".join(f", .q{k}({held}{k}), .d{k}({name}_d{k})" for k, _ in self._widths)
        more = self._chosen if name == "bad" else ""
        return f"""{_wires(name, self._outs)}{wires}  {name} unit_{name}(.rst(rst),
    .i_valid(i_valid), .o_ready(o_ready){pins(self._ins)}{_gives(name, self._outs)}{states}{more});
"""

    def _problem(self, ports: str, held: tuple[str, str], body: str) -> Problem:
        text = f"""{_head(self._ins)}{ports});
{self._side("good", held[0])}{self._side("bad", held[1])}{body}endmodule
"""
        script = "read_json good.json\nread_json bad.json\nread_verilog -formal prove.sv\n"
        return Problem({**self._files, "prove.sv": text}, script)

    def alone(self) -> Problem:
        """From any state: the same outputs and the same next state."""
        fields = ["ready", "valid", *(f.port for f in self._outs)]
        fields += [f"d{k}" for k, _ in self._widths]
        checks = "\n".join(f"    assert (good_{field} == bad_{field});" for field in fields)
        states = "".join(f",\n  input [{w - 1}:0] q{k}" for k, w in self._widths)
        return self._problem(
            states, ("q", "q"), f"  always @(posedge clk) begin\n{checks}\n  end\n"
        )

    def reached(self) -> Problem:
        """From reset, as `miter`; and what may help to prove it: of every two registers that
        correspond, that they are alike unless some register of one bit has some value, as where
        one says that what the other holds is not looked at. Much of that is false."""
        registers = "".join(
            f"  reg [{w - 1}:0] {name}_q{k} = 0;\n"
            f"  always @(posedge clk) {name}_q{k} <= {name}_d{k};\n"
            for name in ("good", "bad")
            for k, w in self._widths
        )
        single = [k for k, w in self._widths if w == 1]
        helps = "".join(
            f"    help_{k}_{c}_{value}: assert (good_q{c} == {value} || good_q{k} == bad_q{k});\n"
            for k, _ in self._widths
            for c in single
            for value in (0, 1)
            if c != k
        )
        body = f"{registers}  always @* begin\n{helps}  end\n{_from_reset(self._outs)}"
        return self._problem("", ("good_q", "bad_q"), body)


def _head(ins: list[Field]) -> str:
    return f"module prove(\n  input clk, rst, i_valid,\n{declared('in', ins)}\n  input o_ready"


def _wires(prefix: str, outs: list[Field]) -> str:
    wires = "".join(f"  wire [{f.width - 1}:0] {prefix}_{f.port};\n" for f in outs)
    return f"  wire {prefix}_ready, {prefix}_valid;\n{wires}"


def _gives(prefix: str, outs: list[Field]) -> str:
    wired = "".join(f", .{f.port}({prefix}_{f.port})" for f in outs)
    return f", .i_ready({prefix}_ready), .o_valid({prefix}_valid){wired}"


def _from_reset(outs: list[Field]) -> str:
    """What can be seen of both is the same, once they have been reset."""
    good, bad = (", ".join(f"{prefix}_{f.port}" for f in outs) for prefix in ("good", "bad"))
    return f"""  reg started = 0;
  always @(posedge clk) if (rst) started <= 1;
  always @* if (started) begin
    seen_ready: assert (good_ready == bad_ready);
    seen_valid: assert (good_valid == bad_valid);
    if (good_valid) seen_payload: assert ({{{good}}} == {{{bad}}});
  end
"""
