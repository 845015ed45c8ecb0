"""Talking to generated hardware from Python.

`core_registers` starts a core's jobs and waits for them, over whatever reads and writes words: a
serial line, memory that is mapped, a simulator. May import `hfp8_hw.registers`, `hfp8_hw.jobs` and
`hfp8_hw.parameters`.
"""

from .core_registers import CoreRegisters

__all__ = ["CoreRegisters"]
