"""Dask schedulers that are of no use: each has its line, and nobody waits for ever."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from os import kill
from pathlib import Path

import pytest

from hfp8_hw.errors import RunError
from verif.regression import cluster

from .conftest import HOUR, Cli, wait

pytestmark = [
    # Dask leaves sockets and event loops to the garbage collector when a connection breaks.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextmanager
def started(kind: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Dask's, ended at the end."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *words]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The address of a scheduler without workers, and its process."""
    told = tmp_path / "scheduler.json"
    found: list[str] = []

    def known() -> bool:
        with suppress(OSError, ValueError):
            found.append(json.loads(told.read_text())["address"])
        return bool(found) or process.poll() is not None

    words = ("--scheduler-file", str(told), "--host", "127.0.0.1", "--port", "0")
    with started("scheduler", *words) as process:
        wait(known)
        yield found[0], process.pid


def commands(tmp_path: Path) -> dict[str, list[str]]:
    """Those that take a scheduler, with something to do."""
    space, matrix = tmp_path / "space.toml", tmp_path / "matrix.toml"
    space.write_text("[parameters]\nstages = [1]")
    matrix.write_text('simulators = "icarus"\n[[unit]]\nname = "relu"\n')
    return {"explore": ["explore", "relu", "--space", str(space)],
            "regress": ["regress", "--matrix", str(matrix)]}  # fmt: skip


@pytest.mark.parametrize("command", ["explore", "regress"])
def test_without_workers(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: tuple[str, int],
    command: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", HOUR)
    monkeypatch.setattr(cluster, "WORKER_SECONDS", 0.1)  # none is there to come
    status, _, err = cli(*commands(tmp_path)[command], "--scheduler", scheduler[0])
    assert status == 1 and err.splitlines() == [
        f"hfp8: error: the scheduler {scheduler[0]!r} has no worker after 0.1 seconds; start one: "
        f"dask worker {scheduler[0]} --nthreads 1"
    ]


@pytest.mark.parametrize("command", ["explore", "regress"])
def test_one_that_says_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("HFP8_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.1)  # it never says anything
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        status, _, err = cli(*commands(tmp_path)[command], "--scheduler", address)
    assert status == 1 and f"the scheduler {address!r} does not answer: " in err
    assert len(err.splitlines()) == 1


def test_one_that_goes(scheduler: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first task ends it."""
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", HOUR)
    monkeypatch.setattr(cluster, "WORKER_SECONDS", HOUR)
    address, process = scheduler
    with started("worker", address, "--nthreads", "1"), pytest.raises(RunError) as caught:
        list(cluster.distributed(partial(kill, process), [signal.SIGKILL] * 2, 1, address))
    assert str(caught.value) == (
        f"the scheduler {address!r} has gone, and with it the tasks that are left"
    )


@pytest.mark.parametrize("command", ["explore", "regress"])
@pytest.mark.parametrize(
    "address",
    ["", "localhost", "tcp://x:", "tcp://x:y", "tcp://x:0", "tcp://x:65536", "tcp://x:\u0665",
     "tcp://\u00e4:1", "http://x:1", "tcp://x:1 ", "tcp://x y:1"],
)  # fmt: skip
def test_what_is_no_address(cli: Cli, tmp_path: Path, command: str, address: str) -> None:
    said = cli.refused(*commands(tmp_path)[command], "--scheduler", address)
    assert f"scheduler={address!r} is not allowed: tcp://HOST:PORT, such as tcp://local" in said
