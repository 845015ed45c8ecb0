"""A generated module and the pins of a board."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from amaranth.build import Attrs, Pins, Resource, Subsignal
from amaranth.hdl import ClockSignal, Const, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from hfp8_hw.pll import check_clock
from rtl_gen.board import TOP, BoardModule

from .catalogue import Board
from .clocks import add_pll


class OnBoard(Elaboratable):
    """`rtl_gen.board.BoardModule` with the board's clock, reset, UART and light.

    Where the module's clock is not that of the oscillator, the PLL makes it. Registers have no
    values of their own at power-on, so the module is held in reset for the first 255 clocks, and as
    long as the reset button is pressed.

    Raises
    ------
    ParameterError
        If the PLL cannot make the module's clock.
    """

    def __init__(self, module: BoardModule, board: Board) -> None:
        self.module, self.board = module, board
        self.setting = check_clock(board.oscillator, module.clock)

    def elaborate(self, platform: Any) -> Module:
        """The board's top."""
        m = Module()

        def pin(name: str, number: int, direction: str) -> Any:
            resource = platform.request(name, number, dir="-")
            buffer = io.Buffer(direction, resource)
            m.submodules[f"pin_{name}_{number}"] = buffer
            return buffer.i if direction == "i" else buffer.o

        uart = platform.request("uart", 0, dir={"rx": "-", "tx": "-"} | _others(platform))
        m.submodules.pin_rx = rx = io.Buffer("i", uart.rx)
        m.submodules.pin_tx = tx = io.Buffer("o", uart.tx)

        locked = Signal(init=1)
        if self.setting is not None:
            m.submodules += FFSynchronizer(add_pll(m, platform, self.board, self.setting), locked)
        waited = Signal(8)
        pressed = Signal()
        reset = Signal(init=1)
        with m.If(locked & (waited != 255)):
            m.d.sync += waited.eq(waited + 1)
        m.d.sync += reset.eq((waited != 255) | pressed)
        if self.board.reset is not None:
            m.submodules += FFSynchronizer(pin(*self.board.reset, "i"), pressed)
        for name in self.board.ones:
            m.d.comb += pin(name, 0, "o").eq(1)
        active = Signal()
        if self.board.light is not None:
            m.d.comb += pin(*self.board.light, "o").eq(active)
        platform.add_file(f"{TOP}.v", self.module.verilog)
        m.submodules.top = Instance(
            TOP,
            i_clk=ClockSignal(), i_rst=reset | ResetSignal(allow_reset_less=True), i_rx=rx.i,
            i_build=Const(int.from_bytes(self.module.build, "little"), 64),
            o_tx=tx.o, o_active=active,
        )  # fmt: skip
        return m


def _others(platform: Any) -> dict[str, str]:
    """The UART's lines that are left alone: taken, but without a buffer."""
    names = (line.name for line in platform.lookup("uart", 0).ios if line.name not in ("rx", "tx"))
    return dict.fromkeys(names, "-")


def make_platform(board: Board) -> Any:
    """The board's platform of amaranth-boards."""
    platform = getattr(import_module(f"amaranth_boards.{board.module}"), board.platform)()
    if board.serial is not None:
        connector, rx, tx = board.serial
        platform.add_resources([Resource(
            "uart", 0,
            Subsignal("rx", Pins(rx, dir="i", conn=(connector, 0))),
            Subsignal("tx", Pins(tx, dir="o", conn=(connector, 0))),
            Attrs(IO_TYPE="LVCMOS33"),
        )])  # fmt: skip
    return platform
