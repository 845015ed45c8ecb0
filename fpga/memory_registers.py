"""Registers moved into the block RAMs they stand behind, which Yosys leaves outside.

A word leaves ECP5's DP16KD 5.8 ns after the clock. The block has a register of its own behind its
memory, from which a word leaves in a fraction of that, and Yosys does not use it. This pass works
on its netlist, as JSON, between Yosys and nextpnr.
"""

from __future__ import annotations

from .netlist import Bit, Netlist, flop_control, readers

_WIDE = 36
"""Words so wide leave through both ports at once."""


def absorb_words(design: Netlist, top: str) -> int:
    """Move registers into the DP16KD cells of ``top``, in place; how many flip-flops went.

    A word goes with all its bits that are read, or stays. Its flip-flops must have the port's clock
    and neither enable nor reset, nobody else may read the bits before them, and the port must read
    in every clock without a reset: then the register in the block holds the same in every clock.
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
        for port in "AB":
            found = _word(block, port, flops, cells, count)
            if found:
                block["parameters"][f"REGMODE_{port}"] = "OUTREG"
            for pin, name in found.items():
                block["connections"][pin] = cells.pop(name)["connections"]["Q"]
    return before - len(cells)


def _word(
    block: Netlist,
    port: str,
    flops: dict[Bit, str],
    cells: dict[str, Netlist],
    count: dict[Bit, int],
) -> dict[str, str]:
    """The flip-flops behind a port's pins, by pin; none if any of them has to stay."""
    wires, how = block["connections"], block["parameters"]
    always = {f"CE{port}": "1", f"OCE{port}": "1", f"RST{port}": "0"}
    plain = all(wires.get(pin) == [bit] for pin, bit in always.items())
    plain &= how.get(f"CLK{port}MUX", f"CLK{port}") == f"CLK{port}"
    plain &= how.get(f"REGMODE_{port}") == "NOREG" and _width(how) < _WIDE
    read = [
        (pin, wires[pin][0])
        for pin in (f"DO{port}{k}" for k in range(18))
        if isinstance(wires.get(pin, ["x"])[0], int) and count[wires[pin][0]]
    ]
    if not plain or not all(bit in flops and count[bit] == 1 for _, bit in read):
        return {}
    found = {pin: flops[bit] for pin, bit in read}
    behind = {flop_control(cells[name]) for name in found.values()}
    return found if behind == {(wires[f"CLK{port}"][0], "1", False)} else {}


def _width(how: Netlist) -> int:
    """The wider port's width: Yosys writes numbers as strings of 32 bits."""
    return max(int(how[f"DATA_WIDTH_{port}"], 2) for port in "AB")
