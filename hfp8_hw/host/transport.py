"""What carries bytes to a board: a serial port, or whatever has the same methods."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from ..errors import ParameterError, RunError


def split_url(url: str, name: str = "device") -> tuple[str, str]:
    """(kind, rest) of a board's URL: ``serial`` and a path, or ``sim`` and a board.

    ``name`` is the option that the error names.

    Raises
    ------
    ParameterError
        For another URL.
    """
    kind, found, rest = url.partition("://") if isinstance(url, str) else ("", "", "")
    if not found or kind not in ("serial", "sim") or not rest:
        raise ParameterError(
            f"{name}={url!r} is not allowed: serial://PATH, such as serial:///dev/ttyUSB0, or "
            "sim://BOARD, such as sim://ulx3s-85f"
        )
    return kind, rest


class Transport(Protocol):
    """Bytes in both directions, and the time that the waits for them are measured in."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, seconds: float) -> bytes:
        """What has come; if nothing has, what comes first within so many seconds."""

    def set_baud(self, baud: int) -> None:
        """Change the rate of both directions."""

    def now(self) -> float:
        """Seconds since some point."""

    def close(self) -> None:
        """Let go of it."""


class SerialPort:
    """A `Transport` by pyserial.

    Raises
    ------
    RunError
        If the port is not there or may not be opened; later, if it goes away.
    """

    def __init__(self, path: str, baud: int) -> None:
        import serial

        self._errors: tuple[type[Exception], ...] = (serial.SerialException, OSError)
        with suppress(ImportError):  # there is none on Windows
            import termios

            # Neither of the others: what pyserial lets through where a port has gone.
            self._errors += (termios.error,)
        self.path = path
        try:
            self._port = serial.Serial(path, baud, timeout=0, exclusive=True)
        except self._errors as error:
            raise RunError(f"the serial port {path!r} cannot be opened: {_why(error)}") from None

    def write(self, data: bytes) -> None:
        """Send bytes."""
        with self._there():
            self._port.write(data)
            self._port.flush()

    def read(self, seconds: float) -> bytes:
        """What has come; if nothing has, what comes first within so many seconds."""
        with self._there():
            self._port.timeout = seconds
            first: bytes = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else b""

    def set_baud(self, baud: int) -> None:
        """Change the rate of both directions."""
        with self._there():
            self._port.baudrate = baud

    def now(self) -> float:
        """Seconds since some point."""
        return time.monotonic()

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()

    @contextmanager
    def _there(self) -> Iterator[None]:
        """Raise RunError if the port turns out to be gone."""
        try:
            yield
        except self._errors as error:
            raise self._gone(error) from None

    def _gone(self, error: Exception) -> RunError:
        return RunError(f"the serial port {self.path!r} is gone: {_why(error)}")


def _number(error: BaseException | None) -> int | None:
    """What the system said; pyserial keeps some of it only in the error that it caught."""
    if error is None:
        return None
    number = getattr(error, "errno", None)
    if number is None and error.args and isinstance(error.args[0], int):
        number = error.args[0]
    return number if isinstance(number, int) else _number(error.__context__)


def _why(error: Exception) -> str:
    number = _number(error)
    if number == errno.ENOENT:
        return "there is no such device; is the board plugged in?"
    if number == errno.EACCES:
        return "no permission; on Debian, 'sudo adduser $USER dialout' and log in again"
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        return "another program has it open"
    if number in (errno.ENOTTY, errno.EISDIR, errno.ENXIO, errno.EINVAL):
        return "it is no serial port"
    said = str(error.args[-1] if error.args else error)
    return " ".join(said.split())
