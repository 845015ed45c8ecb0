"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ParameterError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by renaming a finished temporary one, so that nobody sees half of it.

    A link is followed. What is no regular file, such as a pipe or a device, is written to and not
    replaced.

    Raises
    ------
    OSError
        If it cannot be written; it names ``path`` and not the temporary file.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(content)
            return
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _replace(target, content)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def check_writable(path: Path) -> None:
    """Find out whether `write_whole` could write a file, and leave nothing behind.

    Raises
    ------
    OSError
        If it could not.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return
    with tempfile.TemporaryFile(dir=target.parent):
        pass


def check_output(name: str, path: Path) -> None:
    """Refuse the path of a file to be written before the work that ends in it.

    Raises
    ------
    ParameterError
        If it could not be written; ``name`` is what the user calls it.
    """
    if not path.resolve().parent.is_dir():
        raise ParameterError(f"{name}={str(path)!r} is not allowed: there is no such folder")
    if path.is_dir():
        raise ParameterError(f"{name}={str(path)!r} is not allowed: it is a folder")
    try_output(name, path)


def try_output(name: str, file: Path, told: Path | None = None) -> None:
    """`check_output` of a file in a folder that is there; ``told`` is the path in the text."""
    try:
        check_writable(file)
    except OSError as error:
        raise ParameterError(
            f"{name}={str(told or file)!r} is not allowed: it cannot be written "
            f"({error.strerror or error})"
        ) from None


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait until no other process is in this block for a file of the same folder.

    It is the folder that is locked, as the file itself is replaced by another one. Where the file
    system has no locks there is none.
    """
    folder = os.open(Path(os.path.realpath(path)).parent, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _replace(target: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
