"""Registers moved into the DSP blocks they stand next to, which Yosys leaves outside.

ECP5's MULT18X18D has registers of its own for both operands, inside, and for the product; with
them a multiplication needs no time for the wires between logic cells and the block. Yosys maps
the multiplication alone. This pass works on its netlist, as JSON, between Yosys and nextpnr.
"""

from __future__ import annotations

from .netlist import Bit, Netlist, flop_control, readers

_REGISTERS = (
    ("REG_INPUTA", "A", 18),
    ("REG_INPUTB", "B", 18),
    ("REG_PIPELINE", "P", 36),
    ("REG_OUTPUT", "P", 36),
)
"""The registers of a block: the name of the parameters, and the pins they stand at."""


def absorb_registers(design: Netlist, top: str) -> int:
    """Move registers into the MULT18X18D cells of ``top``, in place; how many flip-flops went.

    An operand or product goes with all its bits or stays: they must have one clock and one
    enable, and no reset. A flip-flop that others read too stays beside its twin in the block.
    """
    module = design["modules"][top]
    cells: dict[str, Netlist] = module["cells"]
    flops = {name: c for name, c in cells.items() if c["type"] == "TRELLIS_FF"}
    blocks = [c for c in cells.values() if c["type"] == "MULT18X18D"]
    before = len(cells)
    for block in blocks:
        for register, side, width in _REGISTERS:
            pins = [f"{side}{k}" for k in range(width)]
            _absorb(block, register, pins, flops, module)
    return before - len(cells)


def _absorb(
    block: Netlist,
    register: str,
    pins: list[str],
    flops: dict[str, Netlist],
    module: Netlist,
) -> None:
    outward = pins[0] == "P0"
    near, far = ("DI", "Q") if outward else ("Q", "DI")
    wires = block["connections"]
    count = readers(module)
    by_net = {c["connections"][near][0]: name for name, c in flops.items()}
    chosen = {}
    for pin in pins:
        bit: Bit = wires[pin][0]
        if isinstance(bit, str) or (outward and not count[bit]):
            continue
        if bit not in by_net or (outward and count[bit] > 1):
            return
        chosen[pin] = by_net[bit]
    control = {flop_control(flops[name]) for name in chosen.values()}
    if len(control) != 1:
        return
    ((clock, enable, resets),) = control
    taken = {"CLK0": clock, "CE0": enable, "RST0": "0"}
    if resets or any(wires.get(pin, [bit]) != [bit] for pin, bit in taken.items()):
        return
    for pin, bit in taken.items():
        wires[pin] = [bit]
        block["port_directions"][pin] = "input"
    block["parameters"] |= {f"{register}_CLK": "CLK0", f"{register}_CE": "CE0"}
    block["parameters"][f"{register}_RST"] = "RST0"
    for pin, name in chosen.items():
        flop = flops[name]["connections"]
        if outward or count[flop["Q"][0]] == 1:
            del flops[name], module["cells"][name]
        wires[pin] = flop[far]
