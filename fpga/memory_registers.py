"""Registers moved into the block RAMs they stand behind, which Yosys leaves outside.

A word leaves ECP5's DP16KD 5.8 ns after the clock. The block has a register of its own behind its
memory, from which a word leaves in a fraction of that, and Yosys does not use it. This pass works
on its netlist, as JSON, between Yosys and nextpnr.
"""

from __future__ import annotations

from .netlist import Bit, Netlist, flop_control, readers

_WIDE = 36
"""Words so wide leave through both ports at once, at port B's clock."""


def absorb_words(design: Netlist, top: str) -> int:
    """Move registers into the DP16KD cells of ``top``, in place; how many flip-flops went.

    A word goes with all its bits that are read, or stays. Its flip-flops must have the port's
    clock, one enable, which becomes that of the block's register, and no reset; nobody else may
    read the bits before them, and nothing may reset the port. Whether the port reads in every clock
    does not matter: the register has an enable of its own.
    """
    module = design["modules"][top]
    cells: dict[str, Netlist] = module["cells"]
    flops = {
        cell["connections"]["DI"][0]: name
        for name, cell in cells.items()
        if cell["type"] == "TRELLIS_FF"
    }
    count = readers(module)
    before = len(cells)
    for block in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        for ports in _words(block["parameters"]):
            found = _word(block, ports, flops, cells, count)
            for port in ports if found else ():
                block["parameters"][f"REGMODE_{port}"] = "OUTREG"
                enable = flop_control(cells[next(iter(found.values()))])[1]
                block["connections"][f"OCE{port}"] = [enable]
            for pin, name in found.items():
                block["connections"][pin] = cells.pop(name)["connections"]["Q"]
    return before - len(cells)


def _words(how: Netlist) -> list[str]:
    """The ports that words leave through; a wide one leaves through both."""
    widths = [_number(how[f"DATA_WIDTH_{port}"]) for port in "AB"]
    if max(widths) < _WIDE:
        return ["A", "B"]
    return ["BA"] if min(widths) == _WIDE else []


def _word(
    block: Netlist,
    ports: str,
    flops: dict[Bit, str],
    cells: dict[str, Netlist],
    count: dict[Bit, int],
) -> dict[str, str]:
    """The flip-flops behind a word's pins, by pin; none if any of them has to stay."""
    wires, how = block["connections"], block["parameters"]
    plain = wires.get(f"OCE{ports[0]}") == ["1"]
    clock = wires.get(f"CLK{ports[0]}", ["x"])[0]
    for port in ports:
        plain &= wires.get(f"RST{port}") == ["0"] and wires.get(f"CLK{port}") == [clock]
        plain &= how.get(f"CLK{port}MUX", f"CLK{port}") == f"CLK{port}"
        plain &= how.get(f"REGMODE_{port}") == "NOREG"
    read = [
        (pin, wires[pin][0])
        for pin in (f"DO{port}{k}" for port in ports for k in range(18))
        if isinstance(wires.get(pin, ["x"])[0], int) and count[wires[pin][0]]
    ]
    if not plain or not all(bit in flops and count[bit] == 1 for _, bit in read):
        return {}
    found = {pin: flops[bit] for pin, bit in read}
    behind = {flop_control(cells[name]) for name in found.values()}
    fits = len(behind) == 1 and all((at, held) == (clock, False) for at, _, held in behind)
    return found if fits else {}


def _number(text: str) -> int:
    """Yosys writes numbers as strings of 32 bits."""
    return int(text, 2)
