"""Names for what a netlist's cells drive.

The best name is the source's: of all signals that share a cell's bits, the first that is just
them, or else that has them among its bits (``sum_bit3``, ``code_15to2``). What the source
leaves without a name is called by what it says (``not_full``, ``no_exp``, ``taken_is_63``), or
else by what it is for: ``code_next`` for what a register loads, ``code_mux``, ``code_and`` ... for
a part of the expression of ``code``. Only what is left gets a number, ``n1``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .netlist import Bit, Cell, Netlist

UNUSED = "unused"
"""The wire that names bits which nothing reads: no part of the circuit."""

STATE = "state"
"""The stage of registers that no pipeline has."""

_LONGEST = 32
"""Characters of a name made from another one."""

_SAYS = {
    "$not": "not",
    "$logic_not": "no",
    "$reduce_or": "any",
    "$reduce_bool": "any",
    "$reduce_and": "all",
    "$reduce_xor": "odd",
}
_IS = {
    "$eq": "is",
    "$ne": "is_not",
    "$lt": "below",
    "$le": "at_most",
    "$ge": "at_least",
    "$gt": "above",
}

_PARTS = {
    "$and": "and", "$reduce_and": "and", "$logic_and": "and", "$or": "or", "$reduce_or": "or",
    "$reduce_bool": "or", "$logic_or": "or", "$xor": "xor", "$reduce_xor": "xor", "$not": "not",
    "$logic_not": "nor", "$mux": "mux", "$pmux": "mux", "$add": "sum", "$sub": "difference",
    "$mul": "product", "$neg": "negative", "$shl": "shifted", "$shr": "shifted", "$eq": "equal",
    "$ne": "unequal", "$lt": "less", "$le": "less", "$ge": "more", "$gt": "more",
}  # fmt: skip


@dataclass(frozen=True)
class Net:
    """A named signal of the source: its bits, and the pipeline stage that it is a register of."""

    name: str
    bits: tuple[Bit, ...]
    register: bool
    stage: str


def source_nets(nets: dict[str, Any], ports: Iterable[str], order: Sequence[str] = ()) -> list[Net]:
    """The signals that have a name of their own in the source, from Yosys' ``netnames``, in the
    order of their definition.

    Names of submodules go in front (``stage1.sum`` is ``stage1_sum``), but for the outermost.
    """
    known = set(ports)
    rank = {name: k for k, name in reversed(list(enumerate(order)))}
    again: dict[str, int] = {}
    found = []
    for full, net in sorted(nets.items(), key=lambda item: _ranked(item[0], rank)):
        outer, *parts = full.split(".")
        name, numbered = re.subn(r"\$\d+", "", "_".join(parts))
        if numbered:
            # Of signals with one name, Amaranth numbers all but the first.
            again[name] = again.get(name, 1) + 1
            name = f"{name}_{again[name]}"
        # Streams' own names say less than the ports'.
        if (
            outer != "unit"
            or net.get("hide_name")
            or not name.isidentifier()
            or "__" in name
            or name in known
        ):
            continue
        notes = net.get("attributes", {})
        found.append(Net(name, tuple(net["bits"]), "reset_value" in notes, notes.get("stage", "")))
    return found


def _ranked(full: str, rank: dict[str, int]) -> tuple[int, str]:
    return rank.get(full.split(".")[-1], len(rank)), full


def name_cells(netlist: Netlist, order: Sequence[str] = (), reserved: Iterable[str] = ()) -> None:
    """Give every cell a name, and registers their stage.

    Parameters
    ----------
    netlist : Netlist
    order : sequence of str
        The source's names in the order of their definition: the first of equal ones is taken.
    reserved : iterable of str
        Names that no cell gets.
    """
    nets = source_nets(netlist.nets, [name for name, _, _ in netlist.ports], order)
    _Namer(netlist, nets, reserved).run()


class _Namer:
    """Gives every cell its ``name``, ``origin`` and, to registers, ``stage``."""

    def __init__(self, netlist: Netlist, nets: Sequence[Net], reserved: Iterable[str]) -> None:
        self.netlist = netlist
        self._taken = {name for name, _, _ in netlist.ports} | {UNUSED} | set(reserved)
        live = {cell.output[k] for cell in netlist.cells for k in cell.live}
        live |= {bit for _, way, bits in netlist.ports if way == "input" for bit in bits}
        self._by_bit: dict[Bit, list[tuple[int, Net]]] = {}
        for net in nets:
            for k, bit in enumerate(net.bits):
                if bit in live:
                    self._by_bit.setdefault(bit, []).append((k, net))
        self._live = live
        self._label: dict[Bit, tuple[str, int, int]] = {}
        for name, direction, bits in netlist.ports:
            if direction == "input":
                self._write(name, bits)

    def run(self) -> None:
        """Name all cells."""
        rest = [cell for cell in self.netlist.cells if not self._from_source(cell)]
        used = self._uses()
        rest = [cell for cell in rest if not self._next(cell, used)]
        rest = [cell for cell in rest if not self._said(cell)]
        # Users first: what they are called is what their parts are called after.
        for cell in reversed(rest):
            user = self._user(cell, used)
            if user is None:
                self._call(cell, "n1", "none", "n")
            else:
                self._call(cell, f"{user}_{_PARTS.get(cell.kind, 'part')}", "derived")

    def _call(self, cell: Cell, name: str, origin: str, base: str | None = None) -> None:
        number, free = 1, name
        while free in self._taken:
            number += 1
            free = f"{name}_{number}" if base is None else f"{base}{number}"
        self._taken.add(free)
        cell.name, cell.origin = free, origin
        if origin == "source":
            self._write(free, [cell.output[k] for k in cell.live])

    def _write(self, name: str, bits: Sequence[Bit]) -> None:
        for k, bit in enumerate(bits):
            self._label[bit] = (name, k, len(bits))

    def _from_source(self, cell: Cell) -> bool:
        bits = [cell.output[k] for k in cell.live]
        if cell.is_register:
            marks = [net.stage for bit in bits for _, net in self._by_bit.get(bit, []) if net.stage]
            cell.stage = marks[0] if marks else STATE
        found: list[tuple[tuple[int, bool, bool], str]] = []
        for first, net in self._by_bit.get(bits[0], []):
            if first > 0 and bits[0] in net.bits[:first]:
                continue
            fit, name = _fit(net, first, bits, self._live)
            own = net.name.startswith(f"{cell.stage}_")
            found.append(
                ((fit, cell.is_register and not own, net.register != cell.is_register), name)
            )
        if not found:
            later = [net for bit in bits[1:] for _, net in self._by_bit.get(bit, [])]
            found = [((9, False, False), net.name) for net in later]
        if not found:
            return False
        _, name = min(found, key=lambda one: one[0])
        self._call(cell, name, "source")
        return True

    def _uses(self) -> dict[Bit, list[tuple[Cell, str]]]:
        """Who reads a bit, and with which pin."""
        used: dict[Bit, list[tuple[Cell, str]]] = {}
        for cell in self.netlist.cells:
            for pin, bits in cell.connections.items():
                if pin not in ("Q", "Y", "RD_DATA"):
                    for bit in dict.fromkeys(bits):
                        used.setdefault(bit, []).append((cell, pin))
        return used

    def _next(self, cell: Cell, used: dict[Bit, list[tuple[Cell, str]]]) -> bool:
        """What is the whole of what one register loads, or its enable."""
        bits = [cell.output[k] for k in cell.live]
        users = used.get(bits[0], [])
        for pin, suffix in (("D", "next"), ("EN", "enable"), ("SRST", "clear")):
            to = [user for user, its in users if user.is_register and its == pin]
            if to and (pin != "D" or [to[0].connections["D"][k] for k in to[0].live] == bits):
                self._call(cell, f"{to[0].name}_{suffix}", "derived")
                return True
        return False

    def _said(self, cell: Cell) -> bool:
        """What asks one thing of one named signal."""
        pins = cell.connections
        name = None
        if cell.kind in _SAYS and len(cell.live) == 1:
            operand = self._named(
                [pins["A"][k] for k in cell.live] if cell.kind == "$not" else pins["A"]
            )
            name = operand and f"{_SAYS[cell.kind]}_{operand}"
        elif cell.kind in _IS and all(isinstance(bit, str) for bit in pins["B"]):
            operand = self._named(pins["A"])
            digits = "".join("1" if bit == "1" else "0" for bit in reversed(pins["B"]))
            number = int(digits or "0", 2)
            name = operand and f"{operand}_{_IS[cell.kind]}_{number}"
        if not name or len(name) > _LONGEST:
            return False
        self._call(cell, name, "derived")
        return True

    def _named(self, bits: Sequence[Bit]) -> str | None:
        """The name of what is one signal of the source, or a part of it."""
        places = [self._label.get(bit) for bit in bits]
        first = places[0] if places else None
        if first is None:
            return None
        name, low, width = first
        if places != [(name, low + k, width) for k in range(len(bits))]:
            return None
        return _slice(name, low, len(bits), width)

    def _user(self, cell: Cell, used: dict[Bit, list[tuple[Cell, str]]]) -> str | None:
        """The named cell, nearest by, that this one is a part of."""
        todo, seen = [cell], {id(cell)}
        for one in todo:
            for position in one.live:
                for user, _ in used.get(one.output[position], []):
                    if user.name and user.origin == "source":
                        return user.name
                    if id(user) not in seen:
                        seen.add(id(user))
                        todo.append(user)
        return None


def _fit(net: Net, first: int, bits: list[Bit], live: Collection[Bit]) -> tuple[int, str]:
    """How well a signal covers bits, and what they are called after it."""
    inside = list(net.bits[first : first + len(bits)]) == bits
    others = {bit for bit in net.bits if bit in live} - set(bits)
    if inside and not others and net.bits[0] == bits[0]:
        return 0, net.name
    if inside:
        return 1, _slice(net.name, first, len(bits), len(net.bits))
    if first == 0 and not others:
        return 2, net.name
    places = [net.bits.index(bit) for bit in bits if bit in net.bits]
    low, high = min(places), max(places)
    if len(places) == len(bits):
        return 3, _slice(net.name, low, high - low + 1, len(net.bits))
    return 4, net.name


def _slice(name: str, low: int, count: int, width: int) -> str:
    if count == width:
        return name
    return f"{name}_bit{low}" if count == 1 else f"{name}_{low + count - 1}to{low}"
