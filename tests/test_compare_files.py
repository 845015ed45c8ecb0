"""The files that `hfp8 compare` reads and writes, and interrupts."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hfp8_hw import ParameterError
from rtl_gen.package import Package
from verif.simulation import compare as comparing
from verif.simulation.compare import Comparison, compare
from verif.simulation.user_arrays import Prepared

from .compared import as_applied
from .conftest import Cli


def refused(cli: Cli, path: Path, *words: str | Path) -> str:
    """The line; nothing is written."""
    before = sorted(path.parent.iterdir())
    line = cli.refused("compare", "relu", "--inputs", path, *words)
    assert sorted(path.parent.iterdir()) == before
    return line


def test_files_that_cannot_be_read(cli: Cli, tmp_path: Path) -> None:
    path, report = tmp_path / "t.npz", tmp_path / "r.json"

    def said() -> str:
        return refused(cli, path, "--report", report)

    assert "cannot be read: No such file" in said()
    assert "cannot be read: Is a directory" in refused(cli, tmp_path)
    np.savez(path, x=np.array([object()]))
    assert "array 'x' is not allowed: it holds Python objects, not numbers" in said()
    np.savez(path)
    assert "inputs=[] is not allowed: relu needs the arrays x" in said()
    np.savez(path, x=np.zeros(3), z=np.zeros(3))
    assert "array 'z' is not allowed" in said()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.txt", "hello")
    assert "an .npz file of plain arrays, and 'x.txt' is none" in said()
    with zipfile.ZipFile(path, "w") as file:
        header = "{'descr': '<f1', 'fortran_order': False, 'shape': (3,), }".ljust(117) + "\n"
        file.writestr("x.npy", b"\x93NUMPY\x01\x00\x76\x00" + header.encode() + b"123")
    assert "array 'x' is not allowed: its dtype is unknown to NumPy" in said()


def broken_files(path: Path, compressed: bool) -> list[bytes]:
    """A file cut off, and with bytes changed, everywhere."""
    save: Callable[..., None] = np.savez_compressed if compressed else np.savez
    save(path, x=np.arange(100, dtype=np.float32))
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    found = [whole[:k] for k in range(0, len(whole), 7)]
    for _ in range(150):
        changed = bytearray(whole)
        for k in rng.integers(0, len(whole), 3):
            changed[k] = rng.integers(256)
        found.append(bytes(changed))
    return found


@pytest.mark.parametrize("compressed", [False, True])
def test_files_that_are_not_whole(tmp_path: Path, compressed: bool) -> None:
    from hfp8_hw.cli.compare import load_arrays

    path = tmp_path / "t.npz"
    refusals = 0
    for content in broken_files(path, compressed):
        path.write_bytes(content)
        try:
            load_arrays(path)
        except ParameterError as error:
            refusals += 1
            assert "\n" not in str(error)
    assert refusals > 100


def test_reports_that_could_not_be_written(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, x=np.zeros(3))
    whole = path.read_bytes()
    assert "another file than that of inputs" in refused(cli, path, "--report", path)
    assert "it is a folder" in refused(cli, path, "--report", tmp_path)
    assert "no such folder" in refused(cli, path, "--report", tmp_path / "no" / "r.json")
    assert path.read_bytes() == whole


@pytest.mark.parametrize("interrupted", [True, False])
def test_interrupted_it_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    path, report = tmp_path / "t.npz", tmp_path / "r.json"
    np.savez(path, x=np.array([1.0, 1e300, -1.0]))
    old = b"what was there"
    report.write_bytes(old)

    def run(unit: Package, given: Prepared, simulator: str, seed: int) -> Comparison:
        if interrupted:
            raise KeyboardInterrupt
        return compare(unit, given, simulator, seed, as_applied)

    monkeypatch.setattr(comparing, "compare", run)
    words: list[str | Path] = [
        "compare",
        "relu",
        "--fmt",
        "E3M2B3",
        "--inputs",
        path,
        "--report",
        report,
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        status, out, err = cli(*words)
    assert sorted(tmp_path.iterdir()) == [report, path]
    if interrupted:
        assert (status, err.strip()) == (130, "hfp8: error: interrupted")
        assert report.read_bytes() == old
    else:
        assert (status, err) == (0, "") and "elements" in out
        assert json.loads(report.read_text())["runs"][0]["elements"] == 3
