"""Clocks that a board's PLL makes, against the data sheets' ranges and other tools' answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpga.boards.build import plan
from fpga.boards.catalogue import BOARDS
from hfp8_hw.errors import ParameterError
from hfp8_hw.host import Device
from hfp8_hw.oscillators import OSCILLATORS, check_board
from hfp8_hw.parameters import unit_parameters
from hfp8_hw.pll import FAMILIES, check_clock, settings
from hfp8_hw.protocol import hertz, megahertz
from rtl_gen.board import board_module

from .conftest import Cli

MHZ = 1_000_000


def ice40(reference: int) -> set[int]:
    """Hz that SB_PLL40 can make, by its data sheet in integers: 533 <= VCO <= 1066, 10 <= PFD <=
    133 and 16 <= output <= 275, all in MHz."""
    found = set()
    for r in range(16):
        for f in range(128):
            for q in range(1, 7):
                vco, pfd = reference * (f + 1), reference
                fine = 533 * MHZ * (r + 1) <= vco <= 1066 * MHZ * (r + 1)
                fine &= 10 * MHZ * (r + 1) <= pfd <= 133 * MHZ * (r + 1)
                fine &= 16 * MHZ * (r + 1) << q <= vco <= 275 * MHZ * (r + 1) << q
                if fine:
                    found.add(round(vco / ((r + 1) << q)))
    return found


def ecp5(reference: int) -> set[int]:
    """Of EHXPLLL: 400 <= VCO <= 800, 10 <= PFD <= 400, 3.125 <= output <= 400."""
    found = set()
    for i in range(1, 129):
        for n in range(1, 129):
            if not (10 * MHZ * i <= reference and 400 * MHZ * i <= reference * n <= 800 * MHZ * i):
                continue
            found |= {
                round(reference * n / (i * s))
                for s in range(1, 129)
                if 3_125_000 * i * s <= reference * n <= 400 * MHZ * i * s
            }
    return found


def gowin(reference: int) -> set[int]:
    """Of rPLL, C6/I5: 400 <= VCO <= 1200, 3 <= PFD <= 400, 3.125 <= output <= 600."""
    found = set()
    for i in range(1, 65):
        for f in range(1, 65):
            out = reference * f
            if 3 * MHZ * i <= reference and 3_125_000 * i <= out <= 600 * MHZ * i:
                posts = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
                if any(400 * MHZ * i <= out * o <= 1200 * MHZ * i for o in posts):
                    found.add(round(out / i))
    return found


@pytest.mark.parametrize("board", [name for name, one in OSCILLATORS.items() if one.pll])
def test_the_clocks_that_there_are(board: str) -> None:
    """All that the data sheet allows, and no other; each is found again."""
    one = OSCILLATORS[board]
    assert one.pll is not None
    by_hand = {"ice40": ice40, "ecp5": ecp5, "gowin": gowin}[one.pll](one.clock)
    assert {round(s.output) for s in settings(one.pll, one.clock)} == by_hand
    for clock in sorted(by_hand)[:: len(by_hand) // 5]:
        setting = check_clock(one, clock)
        assert (setting is None) == (clock == one.clock)
        assert setting is None or round(setting.output) == clock


@pytest.mark.parametrize(
    ("board", "clock", "dividers"),
    [
        ("icebreaker", 96, (1, 64, 8)),  # icepll -i 12 -o 96: DIVR 0, DIVF 63, DIVQ 3
        ("icebreaker", 24, (1, 64, 32)),  # icepll -i 12 -o 24: DIVR 0, DIVF 63, DIVQ 5
        ("tang-nano-9k", 81, (1, 3, 8)),  # Gowin's generator: IDIV_SEL 0, FBDIV_SEL 2, ODIV_SEL 8
        ("ulx3s-85f", 50, (1, 24, 12)),  # 25 MHz x 24 = 600 MHz, the middle of 400 to 800
    ],
)
def test_settings_that_are_known(board: str, clock: int, dividers: tuple[int, int, int]) -> None:
    found = check_clock(OSCILLATORS[board], clock * MHZ)
    assert found is not None and (found.divide, found.multiply, found.post) == dividers


def test_a_reference_out_of_range() -> None:
    assert not list(settings("ice40", 9_999_999)) and list(settings("ice40", 10_000_000))
    assert not list(settings("ecp5", 7 * MHZ)) and list(FAMILIES) == ["ecp5", "ice40", "gowin"]


@pytest.mark.parametrize(
    ("text", "clock"),
    [("50", 50_000_000), ("33.75", 33_750_000), ("0.000001", 1), ("12.", 12_000_000)],
)
def test_megahertz(text: str, clock: int) -> None:
    assert hertz(text) == clock and hertz(megahertz(clock)) == clock


@pytest.mark.parametrize("text", ["", ".5", "-1", "1e3", "1.0000001", "12345", "٥", "1 2", "nan"])
def test_no_megahertz(text: str) -> None:
    assert hertz(text) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["icebreaker", "--clock", "50"], "clock=50 is not allowed: 12 MHz, the oscillator's, or "
         "what the SB_PLL40 makes of it; the nearest to it: 49.5 and 50.25 MHz"),
        (["icebreaker", "--clock", "300"], "the nearest to it: 270 MHz"),
        (["ulx3s-85f", "--clock", "3"], "the nearest to it: 3.125 MHz"),
        (["arty-a7-35t", "--script", "--clock", "50"], "clock=50 is not allowed on this board: 100 "
         "MHz, the oscillator's, as its PLL is not supported"),
        (["icebreaker", "--clock", "fast"], "clock='fast' is not allowed: MHz, such as 50"),
        (["icebreaker", "--clock", "0"], "clock='0' is not allowed: MHz, such as 50 or 33.75"),
    ],
)  # fmt: skip
def test_clocks_that_are_refused(cli: Cli, words: list[str], said: str) -> None:
    assert said in cli.refused("build", *words)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sim://icebreaker@50", "device='sim://icebreaker@50' is not allowed: 12 MHz, the osc"),
        ("sim://icebreaker@x", "device='sim://icebreaker@x' is not allowed: behind the @ a clock"),
        ("sim://tiger@50", "device='sim://tiger@50' is not allowed: one of ulx3s-85f, icebreaker"),
        ("sim://icebreaker@0.5", "in MHz, from 1 to 999, such as icebreaker@50"),
        ("sim://icebreaker@", "device='sim://icebreaker@' is not allowed: behind the @ a clock"),
        ("sim://arty-a7-35t@50", "is not allowed on this board: 100 MHz, the oscillator's, as its"),
    ],
)
def test_clocks_of_simulated_boards(cli: Cli, tmp_path: Path, url: str, said: str) -> None:
    words = ("compare", "quantizer", "--inputs", tmp_path / "x.npz", "--device", url)
    assert said in cli.refused(*words)
    # From Python too, before anything is compiled.
    with pytest.raises(ParameterError) as caught, Device.open(url):
        pass
    assert said in str(caught.value)


def test_all_follow_the_clock() -> None:
    """The digest, the UART and the constraint; the design's hash does not."""
    p = unit_parameters("relu", {})
    board = BOARDS["icebreaker"]
    slow, fast = board_module(p, board.clock), board_module(p, 24 * MHZ)
    assert slow.build != fast.build and slow.design == fast.design
    assert "24000000 Hz" in fast.verilog
    planned = plan(fast, board)
    assert "--freq 24" in " ".join(planned.placement[1])
    assert b"SB_PLL40_PAD" in planned.files["hfp8.il"]
    assert b"PLL" not in plan(slow, board).files["hfp8.il"]
    assert check_board("icebreaker@24") == ("icebreaker", 24 * MHZ)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "clock"), [("icebreaker", 24), ("ice40-hx8k", 48), ("ulx3s-85f", 40),
                         ("orangecrab-25f", 60), ("tang-nano-9k", 54)],
)  # fmt: skip
def test_bitstreams_with_a_pll(cli: Cli, tmp_path: Path, board: str, clock: int) -> None:
    """By the real tools, which know the PLLs' places and wires; the clock is met."""
    words = ("build", board, "--design", "relu", "--clock", clock, "-o", tmp_path)
    status, out, err = cli(*words)
    assert (status, err) == (0, ""), err
    assert f"{clock} MHz required" in out and "PLL" in out.upper()
    (path,) = tmp_path.glob("*.json")
    facts = json.loads(path.read_text())
    assert facts["clock"] == clock * MHZ and facts["pll"]["reference"] == BOARDS[board].clock


@pytest.mark.slow
def test_a_simulated_board_with_a_clock_of_its_pll() -> None:
    """It says so in HELLO, and answers at rates that are counted in its clock."""
    with Device.open("sim://icebreaker@24", unit_parameters("relu", {})) as board:
        assert board.facts.clock == 24 * MHZ
