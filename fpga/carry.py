"""Carry chains made shorter: gates moved into the cells they feed, carries brought in from below.

Half of an ECP5 CCU2C adds two bits with a LUT4 of which two inputs are left over, but Yosys puts
a gate in front of an adder, as the XOR of a run-time subtraction, into a LUT of its own. And it
knows no carry into an adder but the constants, so that one is written as a bit more at the
bottom, though nextpnr puts a cell below every chain to bring in a carry. These passes work on
Yosys' netlist, as JSON, between the two.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from .netlist import Bit, Netlist, constant, readers

_ADDER = 0b1001011010101010
"""The LUT4 of an adder: A ^ B ^ C where D is 1; its four lowest bits, A, are the carry's."""


def absorb_gates(design: Netlist, top: str) -> int:
    """Move gates of two inputs into the CCU2C cells of ``top``, in place; how many there were."""
    module = design["modules"][top]
    cells: dict[str, Netlist] = module["cells"]
    gates = {c["connections"]["Z"][0]: n for n, c in cells.items() if c["type"] == "LUT4"}
    count = readers(module)
    absorbed = 0
    for cell in [c for c in cells.values() if c["type"] == "CCU2C"]:
        for half in "01":
            name = gates.get(cell["connections"][f"B{half}"][0])
            if name is None or count[cell["connections"][f"B{half}"][0]] > 1:
                continue
            absorbed += _absorb(cell, half, cells, name)
    return absorbed


def _absorb(cell: Netlist, half: str, cells: dict[str, Netlist], name: str) -> bool:
    wires, how = cell["connections"], cell["parameters"]
    spare = (constant(wires[f"C{half}"][0]), constant(wires[f"D{half}"][0])) == (0, 1)
    if not spare or int(how[f"INIT{half}"], 2) != _ADDER:
        return False
    inputs, truth = _gate(cells[name])
    if len(inputs) != 2:
        return False
    # A ^ gate(B, C) where D is 1; below that only the carry's A.
    high = sum(((k & 1) ^ (truth >> (k >> 1) & 1)) << k for k in range(8))
    how[f"INIT{half}"] = format(high << 8 | 0b10101010, "016b")
    wires[f"B{half}"], wires[f"C{half}"] = [inputs[0]], [inputs[1]]
    del cells[name]
    return True


def _gate(cell: Netlist) -> tuple[list[Bit], int]:
    """A LUT4's inputs that are no constants, and its truth table over them."""
    wires = cell["connections"]
    truth = int(cell["parameters"]["INIT"], 2)
    pins = [wires[pin][0] for pin in "ABCD"]
    live = [k for k, bit in enumerate(pins) if constant(bit) is None]
    fixed = sum((constant(bit) or 0) << k for k, bit in enumerate(pins))
    table = 0
    for row in range(1 << len(live)):
        index = fixed | sum((row >> n & 1) << k for n, k in enumerate(live))
        table |= (truth >> index & 1) << row
    return [pins[k] for k in live], table


def enter_carries(design: Netlist, top: str) -> int:
    """Bring carries written as a bottom bit, 1 + x, in by the chain's entry, where that saves a
    cell; in place; how many there were."""
    module = design["modules"][top]
    cells: dict[str, Netlist] = module["cells"]
    count = readers(module)
    above = {c["connections"]["CIN"][0]: n for n, c in cells.items() if c["type"] == "CCU2C"}
    entered = 0
    for name in [n for n, c in cells.items() if c["type"] == "CCU2C"]:
        carry = _written_carry(cells[name], count) if name in cells else None
        if carry is None:
            continue
        chain = [name]
        while (following := above.get(cells[chain[-1]]["connections"]["COUT"][0])) is not None:
            chain.append(following)
        wires = cells[chain[-1]]["connections"]
        if len(chain) < 2 or any(count[wires[pin][0]] for pin in ("S1", "COUT")):
            continue
        for lower, upper in pairwise(chain):
            _move_half(cells[lower], "1", cells[lower], "0")
            _move_half(cells[upper], "0", cells[lower], "1")
        cells[name]["connections"]["CIN"] = [carry]
        del cells[chain[-1]]
        entered += 1
    return entered


def _written_carry(cell: Netlist, count: Counter[Bit]) -> Bit | None:
    """The x of a chain's lowest bit 1 + x, of which only the carry is used; None if it is not."""
    wires = cell["connections"]
    pins = [wires[f"{pin}0"][0] for pin in "ABCD"]
    plain = int(cell["parameters"]["INIT0"], 2) == _ADDER and constant(wires["CIN"][0]) == 0
    if not plain or count[wires["S0"][0]] or [constant(bit) for bit in pins[2:]] != [0, 1]:
        return None
    ones = [constant(bit) for bit in pins[:2]]
    return pins[1 - ones.index(1)] if ones in ([1, None], [None, 1]) else None


def _move_half(source: Netlist, half: str, target: Netlist, to: str) -> None:
    for pin in "ABCDS":
        target["connections"][f"{pin}{to}"] = source["connections"][f"{pin}{half}"]
    target["parameters"][f"INIT{to}"] = source["parameters"][f"INIT{half}"]
