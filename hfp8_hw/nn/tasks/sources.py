"""Where data comes from: a prepared file, a folder, or what a package installs."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...files import write_whole

Arrays = dict[str, np.ndarray[Any, Any]]


class MissingData(ParameterError):
    """The data of a task is not where it was looked for."""


@dataclass(frozen=True)
class Source:
    """A set of data that one task or several use."""

    name: str
    """Also the stem of its prepared file in a folder."""
    install: str
    """The command that brings it."""
    layout: str
    """What a folder has to have, in words."""
    read: Callable[[Path | None], Arrays]
    """Read it from a folder, or from where the package has it.

    Raises FileNotFoundError if it is not there.
    """

    def load(self, data: Path | None) -> Arrays:
        """Read it from a prepared file, a folder, or from where the package has it.

        Raises
        ------
        MissingData
            If it is not there; the text says how to get it.
        ParameterError
            If a prepared file cannot be read or is of another source.
        """
        if data is not None and data.is_dir() and (data / f"{self.name}.npz").is_file():
            data = data / f"{self.name}.npz"
        if data is not None and not data.is_dir():
            return self._prepared(data)
        try:
            return self.read(data)
        except FileNotFoundError as error:
            where = f"data={str(data)!r} is not allowed: " if data is not None else ""
            what = error.filename or error
            raise MissingData(
                f"{where}{what} is missing; install the data with '{self.install}', or give "
                f"--data a folder with {self.layout}, or a file that --prepare wrote"
            ) from None

    def _prepared(self, path: Path) -> Arrays:
        if not path.is_file():
            raise MissingData(f"data={str(path)!r} is not allowed: there is no such file or folder")
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError):
            raise ParameterError(
                f"data={str(path)!r} is not allowed: not a file that --prepare wrote"
            ) from None
        found = str(arrays.pop("source", np.array("")))
        digest = str(arrays.pop("sha256", np.array("")))
        if found != self.name:
            raise ParameterError(
                f"data={str(path)!r} is not allowed: "
                f"it has {found or 'no source'}, and the task needs {self.name}"
            )
        if digest != sha256(arrays):
            raise ParameterError(
                f"data={str(path)!r} is not allowed: it is not as --prepare wrote it"
            )
        return arrays


def sha256(arrays: Arrays) -> str:
    """The digest of arrays, with their names, types and shapes."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def prepare(source: Source, data: Path | None, path: Path) -> int:
    """Write a source as one compressed file, and return its size in bytes."""
    return pack(source.name, source.load(data), path)


def pack(name: str, arrays: Arrays, path: Path) -> int:
    """Write the arrays of a source as a prepared file, and return its size in bytes."""
    buffer = io.BytesIO()
    words = {"source": np.array(name), "sha256": np.array(sha256(arrays))}
    np.savez_compressed(buffer, **words, **arrays)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())
    return buffer.tell()
