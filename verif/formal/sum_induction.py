"""Claims about sums that are one register, to which every item is added with one rounding.

What such a unit does in a clock depends on few bits: the sum's code and flags, whether a sum is
under way, whether a result waits. `step` claims the arithmetic for every code and item, `control`
that all else in every clock comes down to that step. Together, by induction over the clocks: after
a reset, every result is what the specification makes of the items of its sum.
"""

from __future__ import annotations

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import FloatFormat, parse_format
from rtl_gen.package import Package

from ..stimulus.ports import Field, payload
from .claims import Problem, stated
from .specification import unit_arithmetic
from .step_function import evert


def offered(package: Package) -> bool:
    """Whether a unit's sum is one register."""
    parameters = package.manifest["parameters"]
    return bool(
        package.manifest["unit"] == "mac"
        and parameters["semantics"] == "fma"
        and parameters["interleave"] == parameters["stages"] == 1
    )


def step(package: Package) -> Problem:
    """An item added to a sum makes it what `specification.unit_arithmetic.step` says."""
    state = _State(package)
    acc = Field("acc", 0, state.format.width)
    body = f"""{state.instance("step", "acc", {"i_last": "1'b1"})}{state.specified}
  assign holds = step_y == y && step_flags == flags && after
    && step_ready && step_valid && !step_partial && step_known;
"""
    files = {"spec.v": unit_arithmetic.step(package), "step.json": state.netlist}
    return stated(files, "read_json step.json\n", [*state.item, acc], body, "before")


def control(package: Package) -> Problem:
    """What every clock does, in every state that `step` leads to: nothing, a reset, or a step.

    A sum that is not under way is +0. Nothing is known of its register then.
    """
    state = _State(package)
    driven = ("rst", "i_valid", "o_ready", "i_first", "i_last")
    names = ("partial", "valid", *state.redundant, *driven)
    ins = [*state.item, Field("acc", 0, state.format.width), Field("seen", 0, 4),
           *(Field(name, 0, 1) for name in names)]  # fmt: skip
    before = {"slot_partial": "partial", "o_valid": "valid", "o_flags": f"seen & 4'd{state.flags}"}
    before |= {n: f"(partial ? {text} : {n})" for n, text in state.known("acc").items()}
    body = f"""{state.specified}  wire fresh = i_first || !partial;
{state.instance("now", "acc", {name: name for name in driven}, before)}
{state.instance("step", f"fresh ? {state.format.width}'d0 : acc", {"i_last": "1'b1"})}
  wire free = !valid || o_ready;
  wire same = now_y == acc && now_flags == now_before_o_flags && now_beside == now_beside_before;
  wire moved = now_y == step_y && now_beside == step_beside
    && now_flags == ((fresh ? 4'd0 : now_before_o_flags) | step_flags);
  wire shown = now_shows == {{valid, acc, now_before_o_flags}};
  assign holds = (now_ready == free || !i_valid) && shown && (
    rst ? !now_valid && !now_partial :
    !free ? now_valid && now_partial == partial && same :
    i_valid ? now_valid == i_last && now_partial == !i_last && moved :
    !now_valid && now_partial == partial && (!partial || same));
"""
    files = {"spec.v": unit_arithmetic.step(package), "step.json": state.netlist}
    known = "(!partial || (before && (!infinite || (seen[0] && seen[2]))))"
    return stated(files, "read_json step.json\n", ins, body, known)


class _State:
    """The registers of a unit, by what they are.

    Members
    -------
    redundant : tuple of str
        Registers that say something of the sum's code.
    flags : int
        The flags that have a register; the others are never set.
    item : list of Field
        The ports of an item, but for the edges of its sum.
    """

    def __init__(self, package: Package) -> None:
        self.format = parse_format(package.manifest["golden"]["arguments"]["acc"], "acc")
        step = evert(package)
        self.netlist, self._registers = step.netlist, step.names
        fields = payload(package.manifest, "in")[0]
        self.item = [f for f in fields if f.port not in ("i_first", "i_last")]
        there = {bit for register in step.names for bit in register}
        self.redundant = tuple(n for n in _redundant(self.format, "") if f"{n}[0]" in there)
        code = {f"o_y[{k}]" for k in range(self.format.width)}
        held = code | {f"{name}[0]" for name in ("o_valid", "slot_partial", *self.redundant)}
        flags = [k for k in range(4) if f"o_flags[{k}]" in there]
        self.flags = sum(1 << k for k in flags)
        strange = (there ^ held) - {f"o_flags[{k}]" for k in flags}
        if strange:
            raise ParameterError(
                f"property='arithmetic' is not allowed for {package.manifest['unit']}: "
                "not the registers of "
                f"a sum: {', '.join(sorted(strange))}"
            )

    @property
    def specified(self) -> str:
        """The specification of a step from ``acc``."""
        outs = ("y", "flags", "before", "after", "infinite")
        pins = "".join(f", .{name}({name})" for name in outs)
        items = "".join(f", .{f.port}({f.port})" for f in self.item)
        return f"""  wire [{self.format.width - 1}:0] y;
  wire [3:0] flags;
  wire before, after, infinite;
  spec spec(.acc(acc){items}{pins});
"""

    def known(self, code: str) -> dict[str, str]:
        """What the redundant registers are beside a code."""
        return {n: text for n, text in _redundant(self.format, code).items() if n in self.redundant}

    def instance(
        self, name: str, code: str, driven: dict[str, str], before: dict[str, str] | None = None
    ) -> str:
        """The step function as NAME, from a state in which the sum is ``code``, under way and
        without flags, and no result waits, but for ``before``; an item is offered and the output
        free, but for ``driven``.

        Wires NAME_y, _flags, _valid, _partial, _beside (the redundant ones) are the state after,
        NAME_beside_before those before, NAME_known whether they are what is known of NAME_y,
        NAME_ready and NAME_shows what the ports show.
        """
        width, count = self.format.width, len(self.redundant)
        state = {"slot_partial": "1'b1", "o_valid": "1'b0", "o_flags": "4'd0", "o_y": code}
        state |= self.known(f"{name}_before_o_y") | (before or {})
        after = {"o_y": f"{name}_y", "o_flags": f"{name}_flags", "o_valid": f"{name}_valid",
                 "slot_partial": f"{name}_partial"}  # fmt: skip
        widths = {"o_y": width, "o_flags": 4}
        lines = [f"  wire [{widths.get(r, 1) - 1}:0] {name}_before_{r} = {text};"
                 for r, text in state.items()]  # fmt: skip
        after |= {r: f"{name}_after_{r}" for r in self.redundant}
        lines += [f"  wire [{widths.get(r, 1) - 1}:0] {net};" for r, net in after.items()]

        def gathered(prefix: str) -> str:
            return (
                "{" + ", ".join(["1'b0", *(f"{name}_{prefix}_{r}" for r in self.redundant)]) + "}"
            )

        lines += [
            f"  assign {name}_flags[{k}] = 1'b0;" for k in range(4) if not self.flags >> k & 1
        ]
        known = [f"{name}_after_{r} == {text}" for r, text in self.known(f"{name}_y").items()]
        lines += [
            f"  wire {name}_ready, {name}_shows_valid;",
            f"  wire [{width - 1}:0] {name}_shows_y;",
            f"  wire [3:0] {name}_shows_flags;",
            f"  wire [{width + 4}:0] {name}_shows = "
            f"{{{name}_shows_valid, {name}_shows_y, {name}_shows_flags}};",
            f"  wire [{count}:0] {name}_beside_before = {gathered('before')};",
            f"  wire [{count}:0] {name}_beside = {gathered('after')};",
            f"  wire {name}_known = {' && '.join(known) or '1'};",
        ]
        given = {"i_valid": "1'b1", "o_ready": "1'b1", "rst": "1'b0", "i_first": "1'b0"}
        given |= {f.port: f.port for f in self.item} | driven
        given |= {"i_ready": f"{name}_ready"}
        given |= {f"o_{port}": f"{name}_shows_{port}" for port in ("valid", "y", "flags")}
        for k, register in enumerate(self._registers):
            bits = [bit[:-1].split("[") for bit in reversed(register)]
            given[f"q{k}"] = "{" + ", ".join(f"{name}_before_{r}[{b}]" for r, b in bits) + "}"
            given[f"d{k}"] = "{" + ", ".join(f"{after[r]}[{b}]" for r, b in bits) + "}"
        pins = ", ".join(f".{port}({net})" for port, net in given.items())
        return "\n".join([*lines, f"  step step_of_{name}({pins});"]) + "\n"


def _redundant(fmt: FloatFormat, code: str) -> dict[str, str]:
    """Registers that a unit may have beside that of a code, and what they are."""
    mag, ones = f"{code}[{fmt.width - 2}:0]", f"&{code}[{fmt.width - 2}:{fmt.man_bits}]"
    nan = f"({ones} && |{code}[{fmt.man_bits - 1}:0])" if fmt.specials == "ieee" else f"(&{mag})"
    return {"slot_code_zero": f"({mag} == 0)", "slot_code_nan": nan}
