"""`hfp8 bench core`: how busy the array is."""

from __future__ import annotations

import json
from pathlib import Path

from verif.core.configurations import CORES

from .conftest import Cli

WORDS = [word for name, value in CORES[0].items() for word in (f"--{name}", value)]
WORDS += ["--a-size", 0, "--b-size", 0]


def test_figures_by_hand(cli: Cli, tmp_path: Path) -> None:
    """An array of 2 x 2 with 2 lanes; a beat has 2 codes."""
    path = tmp_path / "u.json"
    status, out, err = cli("bench", "core", *WORDS, "--size", "8x8x40", "--size", "2x2x40",
                           "--json", path)  # fmt: skip
    assert (status, err) == (0, "") and "8x8x40" in out
    many, few = json.loads(path.read_text())["rows"]
    # 16 tiles of 20 clocks; 8 rows of 20 beats come meanwhile, and before that alone.
    assert (many["steady"], many["modelled"], many["clocks"], many["load"], many["beat"]) == (
        1, 1, 320, 160, 2
    )  # fmt: skip
    assert 320 / (320 + 160 + 9) < many["alone"] < 320 / (320 + 160)
    # One tile of 20 clocks, for which 40 beats come, and 2 clocks between two operands.
    assert (few["clocks"], few["load"], few["beat"]) == (42, 40, 4)
    assert few["modelled"] == 20 / 42 and abs(few["steady"] - 20 / 42) < 0.01


def test_what_is_refused(cli: Cli) -> None:
    for size in ("3x3", "3x3xk", "", "0x3x3", "1x1x70000", "2x2x2x2"):
        line = cli.refused("bench", "core", *WORDS, "--size", size)
        assert f"size={size!r} is not allowed: MxNxK, each an integer from 1 to 65535" in line
    line = cli.refused("bench", "core", *WORDS, "--size", "1x1x41")
    assert "size='1x1x41' is not allowed for this core: k is larger than the parameter te" in line
    assert "rows=0 is not allowed" in cli.refused("bench", "core", "--rows", "0")
