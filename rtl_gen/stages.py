"""The pipeline stages of a netlist: which logic stands in front of which registers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .netlist import Bit, Cell, Netlist

CONTROL = "control"


@dataclass
class Section:
    """A part of the module's text, in an order that declares everything before it is read.

    Members
    -------
    stage : str
        The mark of the registers that its logic reads, the latest of them; "" for the inputs.
    logic : list of Cell
    registers : list of Cell
        Those that load what is computed up to here.
    """

    stage: str
    logic: list[Cell] = field(default_factory=list)
    registers: list[Cell] = field(default_factory=list)


def ordered_stages(netlist: Netlist) -> list[str]:
    """The marks of the registers, from the inputs to the outputs; loops where they are entered."""
    before: dict[str, set[str]] = {}
    for register in (cell for cell in netlist.cells if cell.is_register):
        behind = netlist.behind(register.loaded)
        found = {cell.stage for cell in behind if cell.is_register}
        before.setdefault(register.stage, set()).update(found - {register.stage})
    order: list[str] = []
    left = sorted(before)
    while left:
        # Where stages go round in a loop none is free: the one with the fewest ahead of it.
        free = min(left, key=lambda stage: (len(before[stage] - set(order)), stage))
        order.append(free)
        left.remove(free)
    return order


def sections(netlist: Netlist) -> list[Section]:
    """The module's logic and registers by stage; the flow control that all wait for comes first."""
    order = ordered_stages(netlist)
    rank = {stage: k + 1 for k, stage in enumerate(order)}
    found = [Section(CONTROL), Section(""), *(Section(stage) for stage in order)]
    place = {id(cell): rank[cell.stage] for cell in netlist.cells if cell.is_register}
    for cell in netlist.cells:
        if not cell.is_register:
            place[id(cell)] = max((place[id(d)] for d in netlist.drivers(cell)), default=0)

    def latest(bits: Iterable[Bit]) -> int:
        return max((place[id(d)] for d in netlist.driving(bits)), default=0)

    loads: dict[int, int] = {}
    hoisted: set[int] = set()
    for register in (cell for cell in netlist.cells if cell.is_register):
        pins = register.connections
        data = latest(register.loaded)
        loads[id(register)] = max(data, rank[register.stage] - 1)
        for pin in ("EN", "SRST"):
            if latest(pins.get(pin, [])) > loads[id(register)]:
                behind = netlist.behind(pins[pin])
                hoisted |= {id(cell) for cell in behind if not cell.is_register}
    for cell in netlist.cells:
        if cell.is_register:
            found[loads[id(cell)] + 1].registers.append(cell)
        else:
            found[0 if id(cell) in hoisted else place[id(cell)] + 1].logic.append(cell)
    return [section for section in found if section.logic or section.registers]
