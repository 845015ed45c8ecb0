"""`hfp8 compare --device`: a simulated board behind a real serial port."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial

import hfp8_hw.cli.compare
import hfp8_hw.cli.models.run
from hfp8_hw.errors import ParameterError, RunError
from hfp8_hw.host import Device
from hfp8_hw.host.transport import SerialPort
from hfp8_hw.protocol import BASE_BAUD
from rtl_gen import kept, package

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


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "core", "--device"], ["compare", "relu", "--device"],
        ["run", "no.onnx", "--on"],
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOENT, "there is no such device; is the board plugged in?"),
        (errno.EACCES, "no permission; on Debian, 'sudo adduser $USER dialout' and log in again"),
        (errno.EBUSY, "another program has it open"),
    ],
)
def test_no_port_is_said_first(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], number: int,
    said: str,
) -> None:  # fmt: skip
    """In one line, before anything is generated or even read."""

    def refuse(*given: Any, **more: Any) -> None:
        raise serial.SerialException(number, f"could not open port: {os.strerror(number)}")

    def work(*given: Any, **more: Any) -> None:
        raise AssertionError("work was begun")

    if number != errno.ENOENT:
        monkeypatch.setattr(serial, "Serial", refuse)
    for module in (kept, package):
        for name in ("generate", "generate_once"):
            monkeypatch.setattr(module, name, work, raising=False)
    monkeypatch.setattr(hfp8_hw.cli.compare, "load_arrays", work)
    monkeypatch.setattr(hfp8_hw.cli.models.run, "load_arrays", work)
    np.savez(tmp_path / "x.npz", x=np.ones(3))
    (tmp_path / "no.onnx").touch()
    words = [str(tmp_path / word) if word == "no.onnx" else word for word in words]
    status, out, err = cli(*words, "serial:///dev/no-such", "--inputs", tmp_path / "x.npz")
    assert (status, out) == (1, "") and err.count("\n") == 1
    assert err == f"hfp8: error: the serial port '/dev/no-such' cannot be opened: {said}\n"


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
    """Refused before the simulator is started."""
    with (
        pytest.raises(ParameterError, match="device='sim://arty' is not allowed: one of ulx3s-85f"),
        Device.open("sim://arty"),
    ):
        pass
