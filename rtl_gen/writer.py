"""Netlist to Verilog-2005 in which every operand has the width its operator expects.

Yosys' own writer leans on Verilog's implicit extension and truncation, which `verilator -Wall`
reports; here every extension is spelt out, and bits that nothing reads are not computed.
"""

from __future__ import annotations

from .netlist import ARITHMETIC, BITWISE, Bit, Cell, Netlist, operand_bit

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
    """Writes one module."""

    def __init__(self, netlist: Netlist, top: str) -> None:
        self.netlist, self.top = netlist, top
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
        if cell.is_register or cell.kind in BITWISE or cell.kind in ("$mux", "$pmux"):
            return cell.live
        if _is_table(cell):
            return (0,)
        if cell.kind in ARITHMETIC or cell.kind == "$shl":
            return tuple(range(cell.live[-1] + 1))
        return tuple(range(len(cell.output) + _shifted(cell)))

    def text(self) -> str:
        """The module."""
        body: list[str] = []
        for cell in self.netlist.cells:
            if cell.is_register:
                body.append(f"  reg {_range(len(self._kept(cell)))}{cell.name};")
        for cell in self.netlist.cells:
            if not cell.is_register:
                body += self._combinational(cell)
        for cell in self.netlist.cells:
            if cell.is_register:
                body += self._register(cell)
        for name, direction, bits in self.netlist.ports:
            if direction == "output":
                body.append(f"  assign {name} = {self._vector(bits)};")
        unused = self._unused()
        if unused:
            body.append(f"  wire unused = &{{1'b0, {', '.join(unused)}}};")
        ports = ",\n".join(
            f"  {direction} wire {_range(len(bits))}{name}"
            for name, direction, bits in self.netlist.ports
        )
        return f"module {self.top} (\n{ports}\n);\n" + "\n".join(body) + "\nendmodule\n"

    def _unused(self) -> list[str]:
        """References to the bits that nothing reads: named, so that a linter accepts them."""
        found = []
        for name, k, width in self.place.values():
            if (name, k) not in self.read:
                found.append((name, k, width))
        return [name if width == 1 else f"{name}[{k}]" for name, k, width in found]

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

    def _register(self, cell: Cell) -> list[str]:
        pins = cell.connections
        data = self._vector([pins["D"][k] for k in cell.live])
        clock = self._vector(pins["CLK"])
        steps = f"{cell.name} <= {data};"
        enable = ""
        if "EN" in pins:
            polarity = "" if cell.parameters["EN_POLARITY"] else "~"
            enable = f"if ({polarity}{self._vector(pins['EN'])}) "
        if "SRST" not in pins:
            return [f"  always @(posedge {clock})", f"    {enable}{steps}"]
        bits = format(cell.parameters["SRST_VALUE"], f"0{len(cell.output)}b")[::-1]
        reset = self._vector([bits[k] for k in cell.live])
        polarity = "" if cell.parameters["SRST_POLARITY"] else "~"
        clear = f"if ({polarity}{self._vector(pins['SRST'])}) {cell.name} <= {reset};"
        if cell.kind == "$sdffce":  # the reset, too, waits for the enable
            return [
                f"  always @(posedge {clock})",
                f"    {enable}begin",
                f"      {clear}",
                f"      else {steps}",
                "    end",
            ]
        return [f"  always @(posedge {clock})", f"    {clear}", f"    else {enable}{steps}"]


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
