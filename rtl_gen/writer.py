"""Netlist to Verilog-2005 in which every operand has the width its operator expects.

Yosys' own writer leans on Verilog's implicit extension and truncation, which `verilator -Wall`
reports; here every extension is spelt out, and bits that nothing reads are not computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap

from .net_names import UNUSED
from .netlist import ARITHMETIC, BITWISE, Bit, Cell, Netlist, operand_bit
from .stages import CONTROL, Section, ordered_stages, sections

_COMPARE = {"$eq": "==", "$ne": "!=", "$lt": "<", "$le": "<=", "$gt": ">", "$ge": ">="}
_REDUCE = {
    "$reduce_and": "&",
    "$reduce_or": "|",
    "$reduce_bool": "|",
    "$reduce_xor": "^",
    "$logic_not": "~|",
}


class WriterError(RuntimeError):
    """A cell that the units do not use so far."""


class Writer:
    """Writes one module; ``notes`` are the ports' comments."""

    def __init__(self, netlist: Netlist, top: str, notes: Mapping[str, str]) -> None:
        self.netlist, self.top, self.notes = netlist, top, notes
        self.place: dict[Bit, tuple[str, int, int]] = {}
        self.read: set[tuple[str, int]] = set()
        for name, direction, bits in netlist.ports:
            if direction == "input":
                self._drive(name, bits)
        for cell in netlist.cells:
            wide = cell.output + [f"{cell.name}:{k}" for k in range(_shifted(cell))]
            self._drive(cell.name, [wide[k] for k in self._kept(cell)])

    def _drive(self, name: str, bits: list[Bit]) -> None:
        for k, bit in enumerate(bits):
            self.place[bit] = (name, k, len(bits))

    def _kept(self, cell: Cell) -> tuple[int, ...]:
        """The output bits that get a wire; arithmetic needs all below the highest live one."""
        if cell.is_memory:
            return tuple(range(len(cell.output)))
        if cell.is_register or cell.kind in BITWISE or cell.kind in ("$mux", "$pmux"):
            return cell.live
        if _is_table(cell):
            return (0,)
        if cell.kind in ARITHMETIC or cell.kind == "$shl":
            return tuple(range(cell.live[-1] + 1))
        return tuple(range(len(cell.output) + _shifted(cell)))

    def text(self) -> str:
        """The module."""
        order = ordered_stages(self.netlist)
        body: list[str] = []
        for stage in order:
            body += self._declared(stage)
        for section in sections(self.netlist):
            body += self._section(section, order)
        body += ["", "  // Outputs"]
        for name, direction, bits in self.netlist.ports:
            if direction == "output":
                body.append(f"  assign {name} = {self._vector(bits)};")
        body += self._unused()
        return f"module {self.top} (\n{self._ports()});\n" + "\n".join(body) + "\nendmodule\n"

    def _ports(self) -> str:
        """The port list, a comment at each."""
        heads = []
        for k, (name, direction, bits) in enumerate(self.netlist.ports):
            comma = "," if k < len(self.netlist.ports) - 1 else ""
            heads.append(f"  {direction} wire {_range(len(bits))}{name}{comma}")
        column = max(map(len, heads))
        notes = [self.notes.get(name, "") for name, _, _ in self.netlist.ports]
        return "".join(
            f"{head:{column}}  // {note}".removesuffix("  // ").rstrip() + "\n"
            for head, note in zip(heads, notes, strict=True)
        )

    def _declared(self, stage: str) -> list[str]:
        registers = [c for c in self.netlist.cells if c.is_register and c.stage == stage]
        lines = ["", f"  // Registers of stage {stage}"]
        for cell in registers:
            bits = _range(len(self._kept(cell)))
            if cell.is_memory:
                note = "(* no_rw_check *) " if cell.unchecked else ""
                size = f"[0:{cell.parameters['SIZE'] - 1}]"
                lines.append(f"  {note}reg {bits}{cell.name}_memory {size};")
            lines.append(f"  {_attributes(cell)}reg {bits}{cell.name};")
        return lines

    def _section(self, section: Section, order: list[str]) -> list[str]:
        """The logic behind a stage's registers, and what loads the next."""
        lines: list[str] = []
        if section.logic:
            lines += ["", _RULE, f"  // {_heading(section.stage)}", _RULE]
        for cell in section.logic:
            lines += self._combinational(cell)
        for stage in order:
            loaded = [cell for cell in section.registers if cell.stage == stage]
            if loaded:
                lines += ["", f"  // Load the registers of stage {stage}"]
            for cell in loaded:
                lines += self._register(cell)
        return lines

    def _unused(self) -> list[str]:
        """A wire that reads the bits that nothing else reads, so that a linter accepts them."""
        found: list[tuple[str, int, int, int]] = []
        for name, k, width in self.place.values():
            if (name, k) in self.read:
                continue
            if found and found[-1][0] == name and found[-1][1] == k - 1:
                found[-1] = (name, k, found[-1][2], width)
            else:
                found.append((name, k, k, width))
        if not found:
            return []
        bits = ", ".join(_select(*one) for one in found)
        lines = wrap(f"wire {UNUSED} = &{{1'b0, {bits}}};", 96)
        return ["", "  // Bits that nothing reads", *(f"  {line}" for line in lines)]

    def _vector(self, bits: list[Bit]) -> str:
        """An expression of exactly ``len(bits)`` bits."""
        parts: list[str] = []
        k = len(bits) - 1
        while k >= 0:
            bit = bits[k]
            if isinstance(bit, str):
                digits = ""
                while k >= 0 and isinstance(bits[k], str):
                    digits += "1" if bits[k] == "1" else "0"
                    k -= 1
                parts.append(_constant(digits))
                continue
            repeat = 1
            while k - repeat >= 0 and bits[k - repeat] == bit:
                repeat += 1
            name, high, width = self.place[bit]
            self.read.add((name, high))
            if repeat > 1:
                parts.append(f"{{{repeat}{{{_select(name, high, high, width)}}}}}")
                k -= repeat
                continue
            low = high
            k -= 1
            while k >= 0 and self.place.get(bits[k], ("", -1, 0))[:2] == (name, low - 1):
                low -= 1
                k -= 1
                self.read.add((name, low))
            parts.append(_select(name, high, low, width))
        return parts[0] if len(parts) == 1 else "{" + ", ".join(parts) + "}"

    def _operand(self, cell: Cell, pin: str, width: int) -> str:
        """An operand extended or cut to ``width`` bits."""
        return self._vector([operand_bit(cell, pin, k) for k in range(width)])

    def _combinational(self, cell: Cell) -> list[str]:
        if _is_table(cell):
            index = cell.connections["B"]
            size = 1 << len(index)
            truth = self._vector((cell.connections["A"] + ["0"] * size)[:size])
            return [
                f"  wire {_range(size)}{cell.name}_table = {truth};",
                f"  wire {cell.name} = {cell.name}_table[{self._vector(index)}];",
            ]
        kept = self._kept(cell)
        head = f"  wire {_range(len(kept))}{cell.name} ="
        return [f"{head} {self._expression(cell, kept)};"]

    def _expression(self, cell: Cell, kept: tuple[int, ...]) -> str:
        pins, kind = cell.connections, cell.kind
        if kind in BITWISE:
            a = self._vector([operand_bit(cell, "A", k) for k in kept])
            if kind == "$not":
                return f"~{a}"
            return f"{a} {BITWISE[kind]} {self._vector([operand_bit(cell, 'B', k) for k in kept])}"
        if kind == "$mux":
            a, b = (self._vector([pins[pin][k] for k in kept]) for pin in "AB")
            return f"{self._vector(pins['S'])} ? {b} : {a}"
        if kind == "$pmux":
            width = len(pins["A"])
            result = self._vector([pins["A"][k] for k in kept])
            for n in reversed(range(len(pins["S"]))):
                case = self._vector([pins["B"][n * width + k] for k in kept])
                result = f"{self._vector([pins['S'][n]])} ? {case} : {result}"
            return result
        width = len(kept)
        if kind == "$neg":
            return f"-{self._operand(cell, 'A', width)}"
        if kind in ARITHMETIC:
            a, b = (self._operand(cell, pin, width) for pin in "AB")
            return f"{a} {ARITHMETIC[kind]} {b}"
        if kind in _COMPARE:
            both = max(len(pins["A"]), len(pins["B"]))
            a, b = (self._operand(cell, pin, both) for pin in "AB")
            if cell.parameters.get("A_SIGNED") and kind not in ("$eq", "$ne"):
                a, b = f"$signed({a})", f"$signed({b})"
            return f"{a} {_COMPARE[kind]} {b}"
        if kind in _REDUCE:
            if len(pins["A"]) == 1:
                return f"{'~' if kind == '$logic_not' else ''}{self._vector(pins['A'])}"
            return f"{_REDUCE[kind]}{self._vector(pins['A'])}"
        if kind in ("$logic_and", "$logic_or"):
            a, b = (f"(|{self._vector(pins[pin])})" for pin in "AB")
            return f"{a} {'&' if kind == '$logic_and' else '|'} {b}"
        if kind in ("$shl", "$shr"):
            sign = "<<" if kind == "$shl" else ">>"
            return f"{self._operand(cell, 'A', width)} {sign} {self._vector(pins['B'])}"
        raise WriterError(f"cell {kind} has no Verilog form here: {cell.parameters}")

    def _memory(self, cell: Cell) -> list[str]:
        """A memory that writes and reads with the clock; a word that is both is read as it was."""
        pins, facts = cell.connections, cell.parameters
        usual = {"WR_PORTS": 1, "RD_PORTS": 1, "WR_CLK_ENABLE": 1, "RD_CLK_ENABLE": 1,
                 "RD_TRANSPARENCY_MASK": 0, "OFFSET": 0}  # fmt: skip
        if any(facts[name] != value for name, value in usual.items()) or len(
            {*pins["WR_EN"]}
        ) > 1:  # fmt: skip
            raise WriterError(f"a memory of this kind has no Verilog form here: {facts}")
        to, at, data, read = (
            self._vector(pins[pin]) for pin in ("WR_ADDR", "RD_ADDR", "WR_DATA", "RD_EN")
        )
        word = f"{cell.name}_memory"
        enable = "" if read == "1'b1" else f"if ({read}) "
        return [
            f"  always @(posedge {self._vector(pins['WR_CLK'])})",
            f"    if ({self._vector(pins['WR_EN'][:1])}) {word}[{to}] <= {data};",
            f"  always @(posedge {self._vector(pins['RD_CLK'])})",
            f"    {enable}{cell.name} <= {word}[{at}];",
        ]

    def _register(self, cell: Cell) -> list[str]:
        if cell.is_memory:
            return self._memory(cell)
        pins = cell.connections
        data = self._vector([pins["D"][k] for k in cell.live])
        clock = self._vector(pins["CLK"])
        steps = f"{cell.name} <= {data};"
        enable = ""
        if "EN" in pins:
            polarity = "" if cell.parameters["EN_POLARITY"] else "~"
            enable = f"if ({polarity}{self._vector(pins['EN'])}) "
        # Yosys takes the attribute from here, others from the declaration.
        clocked = f"  {_attributes(cell)}always @(posedge {clock})"
        if "SRST" not in pins:
            return [clocked, f"    {enable}{steps}"]
        bits = format(cell.parameters["SRST_VALUE"], f"0{len(cell.output)}b")[::-1]
        reset = self._vector([bits[k] for k in cell.live])
        polarity = "" if cell.parameters["SRST_POLARITY"] else "~"
        clear = f"if ({polarity}{self._vector(pins['SRST'])}) {cell.name} <= {reset};"
        if cell.kind == "$sdffce":  # the reset, too, waits for the enable
            return [
                clocked,
                f"    {enable}begin",
                f"      {clear}",
                f"      else {steps}",
                "    end",
            ]
        return [clocked, f"    {clear}", f"    else {enable}{steps}"]


def _attributes(cell: Cell) -> str:
    """What stands in front of a register's declaration and of what loads it."""
    return "(* keep *) " if cell.own else ""


_RULE = f"  // {'-' * 74}"


def _heading(stage: str) -> str:
    """What stands above the logic behind a stage's registers."""
    if stage == CONTROL:
        return "Flow control: when the stages move"
    if not stage:
        return "Inputs: logic in front of the first registers"
    return f"Stage {stage}: logic behind its registers"


def _is_table(cell: Cell) -> bool:
    """Whether a right shift picks one bit of a constant: a truth table."""
    constant = all(isinstance(bit, str) for bit in cell.connections.get("A", [0]))
    return cell.kind == "$shr" and cell.live == (0,) and constant


def _shifted(cell: Cell) -> int:
    """Bits by which a right shift's operand is wider than its result."""
    if cell.kind != "$shr" or _is_table(cell):
        return 0
    return max(0, len(cell.connections["A"]) - len(cell.output))


def _constant(digits: str) -> str:
    """Binary digits as a literal."""
    if len(digits) <= 4:
        return f"{len(digits)}'b{digits}"
    return f"{len(digits)}'h{int(digits, 2):x}"


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _select(name: str, high: int, low: int, width: int) -> str:
    if width == 1 or high - low + 1 == width:
        return name
    return f"{name}[{high}]" if high == low else f"{name}[{high}:{low}]"
