"""The PLL between a board's oscillator and the design."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, Const, Instance, Module, Signal
from amaranth.lib import io

from hfp8_hw.pll import Setting
from hfp8_hw.protocol import megahertz

from .catalogue import Board


def add_pll(m: Module, platform: Any, board: Board, setting: Setting) -> Signal:
    """Make a PLL drive the domain ``sync``; whether it has locked (in no domain).

    The domain has no reset. nextpnr derives the clock's constraint from the dividers, which checks
    them; for Gowin's devices it is told the frequency.
    """
    clock, locked = Signal(name="pll_clock"), Signal(name="pll_locked")
    m.domains.sync = domain = ClockDomain(reset_less=True)
    m.d.comb += domain.clk.eq(clock)
    port = platform.request(platform.default_clk, 0, dir="-")
    if not board.pad:
        m.submodules.pin_clock = pin = io.Buffer("i", port)
        reference = {"ice40": "i_REFERENCECLK", "ecp5": "i_CLKI", "gowin": "i_CLKIN"}
        source: dict[str, Any] = {reference[setting.family]: pin.i}
    else:
        source = {"io_PACKAGEPIN": port.io}
    make = {"ecp5": _ecp5, "ice40": _ice40, "gowin": _gowin}[setting.family]
    m.submodules.pll = make(setting, source, clock, locked)
    return locked


def _ecp5(setting: Setting, source: dict[str, Any], clock: Signal, locked: Signal) -> Instance:
    feedback = Signal(name="pll_feedback")
    return Instance(
        "EHXPLLL",
        # What Lattice's tool gives for these dividers; nobody documents them.
        a_ICP_CURRENT="12", a_LPF_RESISTOR="8", a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        a_FREQUENCY_PIN_CLKI=megahertz(setting.reference),
        a_FREQUENCY_PIN_CLKOP=megahertz(round(setting.detector)),
        a_FREQUENCY_PIN_CLKOS=megahertz(round(setting.output)),
        # The feedback is an output of its own, so that the oscillator's frequency and the clock's
        # divider can be chosen freely.
        p_CLKI_DIV=setting.divide, p_CLKFB_DIV=1,
        p_CLKOP_ENABLE="ENABLED", p_CLKOP_DIV=setting.multiply,
        p_CLKOP_CPHASE=setting.multiply - 1, p_CLKOP_FPHASE=0,
        p_CLKOS_ENABLE="ENABLED", p_CLKOS_DIV=setting.post,
        p_CLKOS_CPHASE=setting.post - 1, p_CLKOS_FPHASE=0,
        p_FEEDBK_PATH="CLKOP", p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB",
        p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        **source, i_CLKFB=feedback, i_RST=Const(0), i_STDBY=Const(0), i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0), i_ENCLKOS=Const(0), i_PHASESEL0=Const(0), i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1), i_PHASESTEP=Const(1), i_PHASELOADREG=Const(1), o_CLKOP=feedback,
        o_CLKOS=clock, o_LOCK=locked,
    )  # fmt: skip


def _ice40(setting: Setting, source: dict[str, Any], clock: Signal, locked: Signal) -> Instance:
    # The loop filter, by the frequency at the phase detector in MHz.
    steps = (17, 26, 44, 66, 101)
    filter_range = 1 + sum(setting.detector >= step * 10**6 for step in steps)
    return Instance(
        "SB_PLL40_PAD" if "io_PACKAGEPIN" in source else "SB_PLL40_CORE",
        p_FEEDBACK_PATH="SIMPLE", p_PLLOUT_SELECT="GENCLK",
        p_DIVR=Const(setting.divide - 1, 4), p_DIVF=Const(setting.multiply - 1, 7),
        p_DIVQ=Const(setting.post.bit_length() - 1, 3), p_FILTER_RANGE=Const(filter_range, 3),
        **source, i_RESETB=Const(1), i_BYPASS=Const(0), o_PLLOUTGLOBAL=clock, o_LOCK=locked,
    )  # fmt: skip


def _gowin(setting: Setting, source: dict[str, Any], clock: Signal, locked: Signal) -> Instance:
    return Instance(
        "rPLL",
        p_DEVICE="GW1NR-9C", p_FCLKIN=megahertz(setting.reference),
        p_IDIV_SEL=setting.divide - 1, p_FBDIV_SEL=setting.multiply - 1, p_ODIV_SEL=setting.post,
        p_DYN_IDIV_SEL="false", p_DYN_FBDIV_SEL="false", p_DYN_ODIV_SEL="false",
        p_DYN_DA_EN="false", p_PSDA_SEL="0000", p_DUTYDA_SEL="1000", p_CLKOUT_FT_DIR=Const(1, 1),
        p_CLKOUTP_FT_DIR=Const(1, 1), p_CLKOUT_DLY_STEP=0, p_CLKOUTP_DLY_STEP=0,
        p_CLKFB_SEL="internal", p_CLKOUT_BYPASS="false", p_CLKOUTP_BYPASS="false",
        p_CLKOUTD_BYPASS="false", p_DYN_SDIV_SEL=2, p_CLKOUTD_SRC="CLKOUT",
        p_CLKOUTD3_SRC="CLKOUT",
        **source, i_CLKFB=Const(0), i_RESET=Const(0), i_RESET_P=Const(0), i_FBDSEL=Const(0, 6),
        i_IDSEL=Const(0, 6), i_ODSEL=Const(0, 6), i_PSDA=Const(0, 4), i_DUTYDA=Const(0, 4),
        i_FDLY=Const(0, 4), o_CLKOUT=clock, o_LOCK=locked,
    )  # fmt: skip
