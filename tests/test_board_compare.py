"""`hfp8 compare --device`: a simulated board behind a real serial port."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from hfp8_hw.errors import ParameterError, RunError
from hfp8_hw.host import Device
from hfp8_hw.host.transport import SerialPort
from hfp8_hw.protocol import BASE_BAUD

from .conftest import Cli


def test_a_simulated_board(cli: Cli, tmp_path: Path) -> None:
    """The same report as in simulation, from another process, through pyserial."""
    rng = np.random.default_rng(5)
    np.savez(tmp_path / "x.npz", a=rng.normal(size=(20, 9)), b=rng.normal(size=(20, 9)))
    words = ["compare", "mac", "--inputs", tmp_path / "x.npz", "--semantics", "exact"]
    reports = []
    for way in (["--device", "sim://icebreaker"], ["--sim", "icarus"]):
        status, _, err = cli(*words, *way, "--json", tmp_path / "r.json")
        assert (status, err) == (0, ""), err
        (run,) = json.loads((tmp_path / "r.json").read_text())["runs"]
        reports.append(run)
    board, simulated = reports
    assert (board.pop("simulator"), board.pop("via")) == ("sim://icebreaker", "board")
    assert (simulated.pop("simulator"), simulated.pop("via")) == ("icarus", "cocotb")
    assert board.pop("seconds") > 0 and simulated.pop("seconds") > 0
    assert board == simulated and board["elements"] == 20 and board["mismatches"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--device", "usb"], "device='usb' is not allowed: serial://PATH, such as serial:///dev/"),
        (["--device", "sim://"], "device='sim://' is not allowed: serial://PATH"),
        (
            ["--device", "sim://arty"],
            "device='sim://arty' is not allowed: one of ulx3s-85f, icebreaker",
        ),
        (
            ["--device", "sim://icebreaker", "--via", "native"],
            "via='native' is not allowed for",
        ),
        (
            ["--device", "sim://icebreaker", "--sim", "icarus"],
            "sim='icarus' is not allowed for",
        ),
    ],
)
def test_bad_urls(cli: Cli, tmp_path: Path, words: list[str], said: str) -> None:
    np.savez(tmp_path / "x.npz", x=np.ones(3))
    assert said in cli.refused("compare", "relu", "--inputs", tmp_path / "x.npz", *words)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/dev/no-such", "there is no such device; is the board plugged in?"),
        ("/dev/null", "it is no serial port"),
        ("/", "it is no serial port"),
        (__file__, "it is no serial port"),
    ],
)
def test_no_board(path: str, said: str) -> None:
    with pytest.raises(RunError) as caught, Device.open(f"serial://{path}"):
        pass
    assert str(caught.value) == f"the serial port {path!r} cannot be opened: {said}"


def test_no_board_on_the_command_line(cli: Cli, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.ones(3))
    words = ["compare", "relu", "--inputs", tmp_path / "x.npz", "--device", "serial:///dev/no-such"]
    status, _, err = cli(*words)
    assert status == 1 and err.count("\n") == 1
    assert "'/dev/no-such' cannot be opened: there is no such device" in err


def test_a_port_that_another_host_has() -> None:
    master, far = os.openpty()
    path = os.ttyname(far)
    port = SerialPort(path, BASE_BAUD)
    with pytest.raises(RunError, match=f"{path!r} cannot be opened: another program has it open"):
        SerialPort(path, BASE_BAUD)
    port.close()
    SerialPort(path, BASE_BAUD).close()
    for file in (master, far):
        os.close(file)


def test_no_simulated_board() -> None:
    """The simulator's refusals are the caller's."""
    with (
        pytest.raises(ParameterError, match="board='arty' is not allowed: one of ulx3s-85f"),
        Device.open("sim://arty"),
    ):
        pass
