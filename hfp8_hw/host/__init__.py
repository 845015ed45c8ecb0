"""Talking to generated hardware from Python.

`device` is a board: `Device.open` takes a serial port or a simulated board. Below it are `link`
(requests and answers that survive a bad line), `frames` (their bytes), `columns` (the bytes of
items and results) and `transport` (the serial port); `simulated` starts a simulated board.
`core_registers` starts a core's jobs and waits for them, over whatever reads and writes words. May
import `hfp8_hw.registers`, `hfp8_hw.jobs`, `hfp8_hw.records`, `hfp8_hw.protocol` and
`hfp8_hw.parameters`.
"""

from typing import TYPE_CHECKING, Any

from .core_registers import CoreRegisters

if TYPE_CHECKING:
    from .device import Device

__all__ = ["CoreRegisters", "Device"]


def __getattr__(name: str) -> Any:
    """`Device` needs the extra ``board``, and NumPy; `CoreRegisters` does not."""
    if name != "Device":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .device import Device

    return Device
