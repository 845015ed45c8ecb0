"""A netlist of word-level cells: what is left after Yosys has flattened and simplified a unit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Bit = int | str
"""A net number, or the constant ``"0"``, ``"1"`` or ``"x"``."""

BITWISE = {"$and": "&", "$or": "|", "$xor": "^", "$not": "~"}
ARITHMETIC = {"$add": "+", "$sub": "-", "$mul": "*", "$neg": "-"}
REGISTERS = ("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce")
MEMORY = "$mem_v2"
"""A memory; of what its port reads it is a register."""


@dataclass
class Cell:
    """One cell: its type, integer parameters and connections.

    Members
    -------
    live : tuple of int
        The output bits, by position, that reach an output of the module.
    name : str
        Of what it drives, and where that is from: ``origin`` is ``source``, ``derived`` or
        ``none`` (a number).
    stage : str
        Of a register: the mark of the pipeline stage that it begins, if it has one.
    own : bool
        Of a register: no other is put in its place, also an equal one.
    unchecked : bool
        Of a memory: what it reads in the clock that writes the same word is not used.
    """

    kind: str
    parameters: dict[str, int]
    connections: dict[str, list[Bit]]
    name: str = ""
    live: tuple[int, ...] = ()
    origin: str = ""
    stage: str = ""
    own: bool = False
    unchecked: bool = False

    @property
    def output(self) -> list[Bit]:
        """The bits it drives."""
        if self.is_memory:
            return self.connections["RD_DATA"]
        return self.connections["Q" if self.kind in REGISTERS else "Y"]

    @property
    def is_register(self) -> bool:
        """Whether what it drives changes with the clock only."""
        return self.kind in REGISTERS or self.is_memory

    @property
    def is_memory(self) -> bool:
        """Whether it is a memory."""
        return self.kind == MEMORY

    @property
    def loaded(self) -> list[Bit]:
        """The bits that a register loads, or a memory's ports take."""
        if self.is_memory:
            pins = ("WR_DATA", "WR_ADDR", "WR_EN", "RD_ADDR", "RD_EN")
            return [bit for pin in pins for bit in self.connections[pin]]
        return [self.connections["D"][k] for k in self.live]

    def fan_in(self, position: int) -> Iterable[Bit]:
        """The bits that output bit ``position`` depends on."""
        pins = self.connections
        if self.is_memory:
            yield from self.loaded
        elif self.is_register:
            yield pins["D"][position]
            for control in ("EN", "SRST"):
                yield from pins.get(control, [])
        elif self.kind in BITWISE:
            for pin in ("A", "B"):
                if pin in pins:
                    yield operand_bit(self, pin, position)
        elif self.kind == "$mux":
            yield from (pins["A"][position], pins["B"][position], *pins["S"])
        elif self.kind == "$pmux":
            width = len(pins["A"])
            yield pins["A"][position]
            yield from pins["B"][position::width]
            yield from pins["S"]
        elif self.kind in ARITHMETIC:
            for pin in ("A", "B"):
                if pin in pins:
                    yield from (operand_bit(self, pin, k) for k in range(position + 1))
        else:
            for pin, bits in pins.items():
                if pin != "Y":
                    yield from bits


def operand_bit(cell: Cell, pin: str, position: int) -> Bit:
    """Bit ``position`` of an operand, extended by sign or zero beyond its width."""
    bits = cell.connections[pin]
    if position < len(bits):
        return bits[position]
    return bits[-1] if cell.parameters.get(f"{pin}_SIGNED") and bits else "0"


class Netlist:
    """A flat module.

    Members
    -------
    ports : list of (name, direction, bits)
    cells : list of Cell
        In an order in which every combinational cell comes after those that drive it.
    nets : dict
        The signals' names, as Yosys has them.
    """

    def __init__(self, text: str, top: str, order: Sequence[str]) -> None:
        """From the JSON that Yosys writes; ``order`` lists the ports."""
        module = json.loads(text)["modules"][top]
        ports = module["ports"]
        self.ports = [
            (name, ports[name]["direction"], ports[name]["bits"]) for name in order if name in ports
        ]
        cells = [_cell(data) for data in module["cells"].values() if data["type"] != "$scopeinfo"]
        self.driver: dict[Bit, tuple[Cell, int]] = {
            bit: (cell, k) for cell in cells for k, bit in enumerate(cell.output)
        }
        self._drivers: dict[int, list[Cell]] = {}
        self._find_live()
        self.cells = self._ordered([cell for cell in cells if cell.live])
        self.nets: dict[str, Any] = module["netnames"]

    def _find_live(self) -> None:
        todo = [bit for _, direction, bits in self.ports if direction == "output" for bit in bits]
        seen: set[Bit] = set()
        while todo:
            bit = todo.pop()
            if bit in seen or bit not in self.driver:
                continue
            seen.add(bit)
            cell, position = self.driver[bit]
            todo.extend(cell.fan_in(position))
        for bit in seen:
            cell, position = self.driver[bit]
            cell.live = tuple(sorted({*cell.live, position}))

    def _ordered(self, cells: list[Cell]) -> list[Cell]:
        """Registers first, then combinational cells, drivers before users."""
        done: dict[int, bool] = {}
        order = [cell for cell in cells if cell.is_register]

        def visit(start: Cell) -> None:
            stack = [(start, iter(self.drivers(start)))]
            done[id(start)] = False
            while stack:
                cell, rest = stack[-1]
                for driver in rest:
                    if not driver.is_register and id(driver) not in done:
                        done[id(driver)] = False
                        stack.append((driver, iter(self.drivers(driver))))
                        break
                else:
                    stack.pop()
                    order.append(cell)

        for cell in cells:
            if not cell.is_register and id(cell) not in done:
                visit(cell)
        return order

    def drivers(self, cell: Cell) -> list[Cell]:
        """The cells that drive what a cell reads."""
        if id(cell) not in self._drivers:
            bits = {bit for position in cell.live for bit in cell.fan_in(position)}
            self._drivers[id(cell)] = sorted(self.driving(bits), key=lambda c: str(c.output))
        return self._drivers[id(cell)]

    def driving(self, bits: Iterable[Bit]) -> list[Cell]:
        """The cells that drive some bits, each once."""
        found = {id(self.driver[b][0]): self.driver[b][0] for b in bits if b in self.driver}
        return list(found.values())

    def behind(self, bits: Iterable[Bit]) -> list[Cell]:
        """The cells that decide what bits are in a clock: logic, and the registers it reads."""
        found: dict[int, Cell] = {}
        todo = self.driving(bits)
        while todo:
            cell = todo.pop()
            if id(cell) not in found:
                found[id(cell)] = cell
                todo += [] if cell.is_register else self.drivers(cell)
        return list(found.values())


def _cell(data: dict[str, Any]) -> Cell:
    parameters = {
        name: int(value.replace("x", "0"), 2) if isinstance(value, str) else value
        for name, value in data["parameters"].items()
        if name not in ("MEMID", "INIT")
    }
    notes = data.get("attributes", {})
    own, unchecked = "keep" in notes, "no_rw_check" in notes
    return Cell(data["type"], parameters, data["connections"], own=own, unchecked=unchecked)
