"""The boards that designs can be built for: data."""

from __future__ import annotations

from dataclasses import dataclass

from hfp8_hw.errors import check_choice
from hfp8_hw.oscillators import OSCILLATORS
from hfp8_hw.pll import Oscillator


@dataclass(frozen=True)
class Board:
    """One board.

    Members
    -------
    title, device : str
    oscillator : Oscillator
        What the design runs from unless the PLL makes another clock of it.
    pad : bool
        The oscillator is at the PLL's own pad.
    bitstream : bool
        Whether there is an open place-and-route for it.
    module, platform : str
        Of amaranth-boards.
    file : str
        The bitstream's suffix.
    loader : tuple of str
        What openFPGALoader is told.
    reset : (str, int) or None
        The button that resets the design.
    light : (str, int) or None
        Lit while a request is being dealt with.
    ones : tuple of str
        Outputs that have to be 1.
    serial : (connector, rx, tx) or None
        Pins for a serial adapter, where the board has none.
    dfu : (vendor, product) or None
        USB numbers in the suffix of a file for a loader of the USB class DFU.
    options : tuple of (str, str)
        For the tools, by the name that Amaranth has for them.
    """

    title: str
    device: str
    oscillator: Oscillator
    module: str
    platform: str
    file: str
    loader: tuple[str, ...]
    reset: tuple[str, int] | None = None
    light: tuple[str, int] | None = ("led", 0)
    ones: tuple[str, ...] = ()
    serial: tuple[str, str, str] | None = None
    dfu: tuple[int, int] | None = None
    options: tuple[tuple[str, str], ...] = ()
    pad: bool = False
    bitstream: bool = True

    @property
    def clock(self) -> int:
        """Hz, of the oscillator."""
        return self.oscillator.clock


BOARDS: dict[str, Board] = {
    "ulx3s-85f": Board(
        oscillator=OSCILLATORS["ulx3s-85f"],
        title="Radiona ULX3S 85F",
        device="Lattice ECP5 LFE5U-85F-6",
        module="ulx3s",
        platform="ULX3S_85F_Platform",
        file="bit",
        loader=("-b", "ulx3s"),
        reset=("button_fire", 0),
        # Without it the FTDI chip's receive line is not driven.
        ones=("uart_tx_enable",),
    ),
    "icebreaker": Board(
        oscillator=OSCILLATORS["icebreaker"],
        title="1BitSquared iCEBreaker",
        device="Lattice iCE40UP5K",
        pad=True,
        module="icebreaker",
        platform="ICEBreakerPlatform",
        file="bin",
        loader=("-b", "ice40_generic"),
        reset=("button", 0),
    ),
    "orangecrab-25f": Board(
        oscillator=OSCILLATORS["orangecrab-25f"],
        title="OrangeCrab r0.2 25F, serial adapter at pins 0 (from the host) and 1",
        device="Lattice ECP5 LFE5U-25F-8",
        module="orangecrab_r0_2",
        platform="OrangeCrabR0_2_25FPlatform",
        file="bit",
        loader=("-b", "orangeCrab"),
        reset=("button", 0),
        light=None,
        serial=("io", "0", "1"),
        dfu=(0x1209, 0x5AF0),
    ),
    "ice40-hx8k": Board(
        oscillator=OSCILLATORS["ice40-hx8k"],
        title="Lattice iCE40-HX8K Breakout Board",
        device="Lattice iCE40HX8K",
        module="ice40_hx8k_b_evn",
        platform="ICE40HX8KBEVNPlatform",
        file="bin",
        loader=("-b", "ice40_generic"),
    ),
    "tang-nano-9k": Board(
        oscillator=OSCILLATORS["tang-nano-9k"],
        title="Sipeed Tang Nano 9K",
        device="Gowin GW1NR-LV9QN88PC6/I5",
        module="tang_nano_9k",
        platform="TangNano9kPlatform",
        file="fs",
        loader=("-b", "tangnano9k"),
        reset=("button", 0),
    ),
    "arty-a7-35t": Board(
        oscillator=OSCILLATORS["arty-a7-35t"],
        title="Digilent Arty A7-35T",
        device="AMD XC7A35T",
        module="arty_a7",
        platform="ArtyA7_35Platform",
        file="bit",
        loader=("-b", "arty_a7_35t"),
        bitstream=False,
    ),
}


def check_board(name: object) -> Board:
    """The board of that name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    return BOARDS[check_choice("BOARD", name, BOARDS)]
