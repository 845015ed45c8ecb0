"""Sites for what each element of a core begins with, so that it is laid out by element.

An array has no pins that would hold its parts apart. Left alone, nextpnr's placer scatters an
element over the device: its wires then cross the device to meet in its adder tree, and a large
array leaves the router no way. So each element's operand registers, or its DSP blocks, get sites
next to each other. Everything else gathers around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .devices import Sites
from .netlist import Netlist

_BLOCK = re.compile(r"_array_e(\d+)_(\d+)_p\d+_")
_OPERAND = re.compile(r"_array_e(\d+)_(\d+)_operand_[ab]_")
_PAIR = ("SLICEA.FF0", "SLICEA.FF1")
"""The two registers of one slice: what is left of a tile is for logic next to them."""

Element = tuple[int, int]


def place_blocks(design: Netlist, top: str, sites: Sites) -> int:
    """Give sites to the DSP blocks of the elements of ``top``, in place; how many have got one.

    Elements follow each other to and fro, so that neighbours in a row of the array are neighbours
    on the device, and so are the ends of two rows; they are spread evenly over the device's rows of
    blocks, and stand in the middle of each. Nothing gets a site unless all fit.
    """
    cells: dict[str, Netlist] = design["modules"][top]["cells"]
    return _place(cells, _in_strips(_by_element(cells, "MULT18X18D", _BLOCK), sites))


def place_registers(design: Netlist, top: str, sites: Sites) -> int:
    """Give sites to the operand registers of the elements of ``top``, in place; how many have got
    one.

    Each element has its part of the device, rows and columns as in the array, and its registers
    around the middle of it. Nothing gets a site unless all fit.
    """
    cells: dict[str, Netlist] = design["modules"][top]["cells"]
    return _place(cells, _in_a_grid(_by_element(cells, "TRELLIS_FF", _OPERAND), sites))


def _place(cells: dict[str, Netlist], found: dict[str, str]) -> int:
    for name, site in found.items():
        cells[name].setdefault("attributes", {})["BEL"] = site
    return len(found)


def _by_element(
    cells: dict[str, Netlist], kind: str, pattern: re.Pattern[str]
) -> dict[Element, list[str]]:
    """The cells of a kind, by row and column of their element; in it, by number."""
    elements: dict[Element, list[str]] = {}
    for name, cell in cells.items():
        at = pattern.search(name)
        if cell["type"] == kind and at:
            elements.setdefault((int(at[1]), int(at[2])), []).append(name)
    for names in elements.values():
        names.sort(key=_by_number)
    return elements


def _by_number(name: str) -> list[str | int]:
    """``p10`` comes after ``p9``."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _in_strips(blocks: dict[Element, list[str]], sites: Sites) -> dict[str, str]:
    """Sites by cell; none if not all fit."""
    if not blocks:
        return {}
    size = max(len(names) for names in blocks.values())
    order = sorted(blocks, key=lambda at: (at[0], -at[1] if at[0] % 2 else at[1]))
    if len(order) > len(sites.columns) * len(sites.blocks) // size * len(sites.rows):
        return {}
    return {
        name: site
        for element, strip in zip(order, _strips(sites, len(order), size), strict=True)
        for name, site in zip(blocks[element], strip, strict=False)
    }


def _strips(sites: Sites, elements: int, size: int) -> Iterator[list[str]]:
    """For each element ``size`` sites of blocks that stand side by side."""
    row_of = [k * len(sites.rows) // elements for k in range(elements)]
    for at, y in enumerate(sites.rows):
        places = [
            f"X{x + across}/Y{y}/MULT18_{z}" for x in sites.columns for across, z in sites.blocks
        ]
        here = row_of.count(at) * size
        # An element begins where a group of blocks does, if it can.
        first = (len(places) - here) // 2 // len(sites.blocks) * len(sites.blocks)
        strips = [places[first + k : first + k + size] for k in range(0, here, size)]
        yield from reversed(strips) if at % 2 else strips


def _in_a_grid(registers: dict[Element, list[str]], sites: Sites) -> dict[str, str]:
    """Sites by cell; none if not all fit."""
    if not registers:
        return {}
    rows, columns = (1 + max(at[axis] for at in registers) for axis in (0, 1))
    width, height = len(sites.logic_columns) / columns, len(sites.logic_rows) / rows
    found: dict[str, str] = {}
    for (row, column), names in registers.items():
        tiles = _around(column, width, row, height, sites)[: -(-len(names) // len(_PAIR))]
        if len(names) > len(tiles) * len(_PAIR):
            return {}
        pairs = (f"X{x}/Y{y}/{place}" for x, y in sorted(tiles) for place in _PAIR)
        found |= dict(zip(names, pairs, strict=False))
    return found


def _around(
    column: int, width: float, row: int, height: float, sites: Sites
) -> list[tuple[int, int]]:
    """The tiles of an element's part of the device, those in its middle first."""
    middle = width * (column + 0.5), height * (row + 0.5)
    across = range(int(width * column), int(width * (column + 1)))
    down = range(int(height * row), int(height * (row + 1)))
    near = sorted(
        ((x, y) for x in across for y in down),
        key=lambda at: (abs(at[0] + 0.5 - middle[0]) + abs(at[1] + 0.5 - middle[1]), at),
    )
    return [(sites.logic_columns[x], sites.logic_rows[y]) for x, y in near]
