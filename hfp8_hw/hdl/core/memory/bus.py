"""The port to memory, and the bundles of signals behind it."""

from __future__ import annotations

from math import gcd
from typing import Any

from amaranth.hdl import unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ....jobs import BUS_ADDRESS_BITS
from ....parameters import CoreParameters
from ..records import SIZE_BITS

INCR = 0b01
BUFFERABLE = 0b0011
"""The memory attributes of all bursts: normal, not cacheable, bufferable."""

_ADDRESS: dict[str, Any] = {
    "id": Out(1), "addr": Out(BUS_ADDRESS_BITS), "len": Out(8), "size": Out(3), "burst": Out(2),
    "cache": Out(4), "prot": Out(3), "valid": Out(1), "ready": In(1),
}  # fmt: skip


def axi_ports(p: CoreParameters) -> dict[str, Any]:
    """The signals of an AXI4 manager, without the prefix of the port."""
    return {
        **{f"aw{name}": member for name, member in _ADDRESS.items()},
        "wdata": Out(p.bus), "wstrb": Out(p.bus // 8), "wlast": Out(1), "wvalid": Out(1),
        "wready": In(1),
        "bid": In(1), "bresp": In(2), "bvalid": In(1), "bready": Out(1),
        **{f"ar{name}": member for name, member in _ADDRESS.items()},
        "rid": In(1), "rdata": In(p.bus), "rresp": In(2), "rlast": In(1), "rvalid": In(1),
        "rready": Out(1),
    }  # fmt: skip


def word_address_bits(p: CoreParameters) -> int:
    """Bits of the number of a word of the bus in memory."""
    return BUS_ADDRESS_BITS - (p.bus // 8 - 1).bit_length()


def matrix(p: CoreParameters) -> data.StructLayout:
    """What is to be read: at a word, ``height`` by ``width`` (`Size` says of what)."""
    return data.StructLayout(
        {
            "address": unsigned(word_address_bits(p)),
            "height": unsigned(SIZE_BITS),
            "width": unsigned(SIZE_BITS),
        }
    )


def stretch(p: CoreParameters) -> data.StructLayout:
    """A part of memory: from a word on, so many beats of the core's stream."""
    return data.StructLayout(
        {"address": unsigned(word_address_bits(p)), "beats": unsigned(2 * SIZE_BITS)}
    )


def burst(p: CoreParameters) -> data.StructLayout:
    """A burst: its first word, and its words less one."""
    return data.StructLayout(
        {
            "address": unsigned(word_address_bits(p)),
            "more": unsigned((p.burst - 1).bit_length()),
        }
    )


def unit_bytes(one: int, other: int) -> int:
    """Bytes that both widths are made of."""
    return gcd(one, other)


def part(bytes: int, unit: int) -> data.StructLayout:
    """A word of ``bytes`` bytes, of which the first ``count`` units count; ``last`` ends a matrix.

    Only the last word of a matrix has fewer than all.
    """
    return data.StructLayout(
        {"data": unsigned(8 * bytes), "count": range(bytes // unit + 1), "last": 1}
    )
