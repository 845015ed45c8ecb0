"""A scratchpad: a bank of block RAM for each row or column of the array, read all at once."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.memory import Memory

from ..numbers.shape import Amaranth


def scratchpad(
    m: Module, name: str, banks: int, width: int, depth: int,
    write: tuple[Amaranth, Amaranth, Amaranth], read: tuple[Amaranth, Amaranth],
) -> list[Amaranth]:  # fmt: skip
    """Add the banks, and return what each has read, a clock later.

    Parameters
    ----------
    write : (one bit a bank, address, word)
        The banks whose bit is set take the word.
    read : (enable, address)
        Of all banks; what was read stays while ``enable`` is 0.
    """
    chosen, to, word = write
    found = []
    for k in range(banks):
        memory = Memory(shape=width, depth=depth, init=[])
        m.submodules[f"{name}{k}"] = memory
        into, out = memory.write_port(), memory.read_port(domain="sync")
        m.d.comb += [
            into.en.eq(chosen[k]), into.addr.eq(to), into.data.eq(word),
            out.en.eq(read[0]), out.addr.eq(read[1]),
        ]  # fmt: skip
        found.append(out.data)
    return found
