"""The wheel works alone: an empty folder, a clean environment, pip, and the commands."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from .conftest import HOUR

ROOT = Path(__file__).resolve().parent.parent


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
    )
    return folder


def hfp8(place: Path, *words: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(place / "env" / "bin" / "hfp8"), *words],
        cwd=place, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_command(place: Path) -> None:
    assert "mac" in json.loads(hfp8(place, "list", "--json"))["units"]
    hfp8(place, "gen", "mac", "-o", "rtl")
    assert sorted(p.name for p in (place / "rtl").iterdir()) == ["mac.core", "mac.json", "mac.v"]
    assert "2 of 2 runs good" in hfp8(place, "verify", "dequantizer", "--stages", "1")
    np.savez(place / "t.npz", a=np.ones((2, 5)), b=np.ones(5))
    assert "mismatches" in hfp8(place, "compare", "mac", "--inputs", "t.npz", "--sim", "verilator")
    out = hfp8(place, "demo", "--images", "3")
    assert "RTL, icarus" in out and "RTL, verilator" in out
