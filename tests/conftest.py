"""What several tests share."""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from hfp8_hw import CATALOGUE, FloatFormat, parse_format
from hfp8_hw.cli import main
from hfp8_hw.golden import scalar
from hfp8_hw.parameters import unit_parameters
from rtl_gen.package import Package, generate
from verif.simulation import simulators

EXOTIC = (
    "E2M1B1",
    "E3M4B3:flush:fn",
    "E2M5:normal:p3109",
    "E4M3B11:flush:none",
    "E3M2B-4:normal:fnuz",
    "E5M2:normal:ieee",
    "E4M3B40:flush:dl",
)
HOUR = 3600
"""Seconds: the limit of what tests start. It is there for what hangs; what is slow never meets it,
on any machine."""
# Hypothesis' own limits are of seconds.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
LARGE = ("mac", "dot", "sgd_update", "weight_update")
"""Units that Icarus takes its time to run; Verilator, which is slow to build, is done sooner."""
EIGHT_BIT = tuple(name for name, fmt in CATALOGUE.items() if fmt.width == 8)
ALL_ROUNDINGS = ("RNE", "RNA", "RTZ", "RUP", "RDN", "RTO", "SR(3)", "SR(8)")


def pytest_configure() -> None:
    """Ctrl-C is as ever: a shell that starts the suite in the background has it ignore SIGINT, and
    so all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def edge_values(fmt: FloatFormat, seed: int = 1) -> np.ndarray[Any, Any]:
    """Values of a format, quarters, ties and their binary64 neighbours, beyond both ends, specials.

    All magnitudes for formats of up to 9 bits, the ends and a random sample for others.
    """
    rng = np.random.default_rng(seed)
    if fmt.width <= 9:
        codes = list(range(fmt.max_code + 3))
    else:
        man = 1 << fmt.man_bits
        ends = [0, 1, 2, man - 1, man, man + 1, fmt.max_code - 1, fmt.max_code, fmt.max_code + 1]
        codes = sorted({*ends, *(int(c) for c in rng.integers(0, fmt.max_code, 30))})
    values = {1e300, 5e-324, 2.0**60, fmt.min / 2, fmt.min * 0.49999, 0.0}
    for code in codes:
        low, high = scalar.magnitude(code, fmt), scalar.magnitude(code + 1, fmt)
        for part in (Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(3, 8)):
            value = float(low + (high - low) * part)
            values |= {value, float(np.nextafter(value, math.inf)), float(np.nextafter(value, -1))}
    positive = np.array(sorted(v for v in values if v >= 0))
    return np.concatenate([positive, -positive, [math.inf, -math.inf, math.nan, -math.nan]])


class Cli:
    """Runs the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str | int | Path) -> tuple[int, str, str]:
        """(exit status, standard output, standard error)."""
        status = main([str(word) for word in words])
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err

    def refused(self, *words: str | int | Path) -> str:
        """Expect one line of error and status 2; the line."""
        status, out, err = self(*words)
        assert status == 2, (out, err)
        lines = err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("hfp8: error: "), err
        return lines[0]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line."""
    monkeypatch.setenv("COLUMNS", "200")
    return Cli(capsys)


@pytest.fixture(params=(*CATALOGUE, *EXOTIC))
def fmt(request: pytest.FixtureRequest) -> FloatFormat:
    """Every catalogue format and some others."""
    return parse_format(request.param)


def later(*values: Any) -> Any:
    """Values of a parametrized test that `make test` leaves to `make test-all`."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[[str, str], Path]:
    """Icarus with one of its programs replaced: a function of the program's name and of the shell
    commands that stand in for it, which gives the folder to put first on PATH."""

    def make(name: str, commands: str) -> Path:
        folder = tmp_path / "stand-in"
        folder.mkdir()
        for program in ("iverilog", "vvp"):
            real = shutil.which(program)
            assert real is not None
            path = folder / program
            path.write_text(f'#!/bin/sh\n{commands if program == name else ""}\nexec {real} "$@"\n')
            path.chmod(0o755)
        return folder

    return make


def wait(met: Callable[[], Any]) -> None:
    """Until something else has come to what is asked for, however slow it is."""
    for _ in range(20 * HOUR):
        if met():
            return
        time.sleep(0.05)
    raise AssertionError("what was waited for did not come")


def check_lint(unit: str, given: dict[str, Any], folder: Path) -> Package:
    """A generated unit is read by Icarus and Verilator without any warning; the unit."""
    package = generate(unit_parameters(unit, given))
    path = package.write(folder)[0]
    for simulator, command in (
        ("icarus", ["iverilog", "-g2005", "-Wall", "-o", str(folder / "out"), str(path)]),
        ("verilator", ["verilator", "--lint-only", "-Wall", str(path)]),
    ):
        env = simulators.find(simulator).env()
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        said = [x for x in (done.stdout + done.stderr).splitlines() if not x.startswith("- ")]
        assert done.returncode == 0 and said == [], said
    return package
