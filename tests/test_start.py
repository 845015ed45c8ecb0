"""The command starts, and stops, cleanly: Ctrl-C during its imports, `python -m hfp8_hw`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hfp8_hw import __version__, cores
from verif.regression.dask_runs import load

HEAVY = ("click", "rich", "numpy", "hfp8_hw.formats", "hfp8_hw.parameters",
         "hfp8_hw.cli.checks.verify",
         "rtl_gen.package", "amaranth")  # fmt: skip
INTERRUPTED = """
import sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == {name!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder)
sys.argv = ["hfp8", "gen", "relu", "-o", {folder!r}]
from hfp8_hw.__main__ import run
run()
"""
"""As the console script does, with Ctrl-C at the moment when a module is looked for."""


@pytest.mark.parametrize("name", HEAVY)
def test_interrupted_import(name: str, tmp_path: Path) -> None:
    text = INTERRUPTED.format(name=name, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() == "hfp8: error: interrupted"
    assert not list(tmp_path.iterdir())


def test_little_is_imported_before_an_interrupt_is_handled() -> None:
    """The module of the console script brings nothing beyond the standard library."""
    text = "import sys; from hfp8_hw.__main__ import run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    found = {name for name in done.stdout.split() if name.startswith("hfp8_hw")}
    assert found == {"hfp8_hw", "hfp8_hw.version", "hfp8_hw.__main__"}
    assert not {"click", "rich", "numpy", "dataclasses", "fractions"} & set(done.stdout.split())


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hfp8_hw", "--version"], capture_output=True, text=True, check=True
    )
    assert __version__ in done.stdout and done.stderr == ""


def test_cores_are_those_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 8}, raising=False)
    assert cores.cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.cores() == 64
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.cores() == 1


def test_nobody_asks_for_the_machines_cores() -> None:
    root = Path(__file__).resolve().parent.parent
    for folder in ("hfp8_hw", "rtl_gen", "verif", "fpga"):
        for path in (root / folder).rglob("*.py"):
            assert path.name == "cores.py" or "cpu_count" not in path.read_text(), path


def test_toml_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_bytes(b'\xef\xbb\xbfsimulators = "icarus"\n[[unit]]\nname = "relu"\n')
    (task,) = load(path)
    assert (task.unit, task.simulator) == ("relu", "icarus")
