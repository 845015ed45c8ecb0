"""Files of this machine, of many types."""

from __future__ import annotations

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_SUFFIXES = """
a bmp c cc cfg cmake conf cpp crt css csv deb elf exe f90 gif gz h hpp html ico ini ipynb jar
java jpg js json lua md mo npy npz onnx otf patch pdf pem pl png po py pyc pyi rst ru sh so
sql svg tcl tex toml ts ttf txt v wasm wav whl woff woff2 xml xz yaml yml zip
"""
SUFFIXES = _SUFFIXES.split()
"""What a file's name may end with; ``elf`` stands for a program's name without an end."""

SHARES = {"calibration": (0, 2), "evaluation": (2, 8)}
"""Of each suffix, which files in their fixed order."""

SMALLEST = 64
"""Bytes; magika's network does not see files of a few bytes."""


def chosen(share: str) -> list[Path]:
    """Files for calibration or for evaluation, at most 2 or 6 of each suffix.

    They come from Python's library and packages, this project, and the system's shared files and
    programs. What is there is put in an order that depends on nothing but the files' names.
    """
    first, last = SHARES[share]
    return [path for suffix in SUFFIXES for path in _by_suffix().get(suffix, [])[first:last]]


@cache
def _by_suffix() -> dict[str, list[Path]]:
    found: dict[str, dict[str, Path]] = {}
    for path, name in _files():
        suffix = _suffix(path)
        if suffix:
            found.setdefault(suffix, {}).setdefault(name, path)
    most = max(last for _, last in SHARES.values())
    return {suffix: _first(names, most) for suffix, names in found.items()}


def _suffix(path: Path) -> str:
    if path.parent.name == "bin" and "." not in path.name:
        return "elf" if _begins(path, b"\x7fELF") else ""
    suffix = path.suffix.lower()[1:]
    return suffix if suffix in SUFFIXES else ""


def _begins(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def _first(names: dict[str, Path], count: int) -> list[Path]:
    """The first files by a hash of their names, of different contents."""
    kept: dict[bytes, Path] = {}
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()):
        content = _ends(names[name])
        if content:
            kept.setdefault(content, names[name])
        if len(kept) == count:
            break
    return list(kept.values())


def _ends(path: Path) -> bytes:
    """What tells a file's content from others'; nothing if it is too small or cannot be read."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begin = file.read(4096)
    except OSError:
        return b""
    return b"%d " % size + begin if size >= SMALLEST and begin.strip() else b""


def _files() -> Iterator[tuple[Path, str]]:
    """Regular files below some folders, with their paths from there."""
    project = Path(__file__).resolve().parents[4]
    paths = sysconfig.get_paths()
    roots = [paths["stdlib"], paths["purelib"], "/usr/bin", "/usr/share", "/usr/include", "/etc"]
    if (project / "pyproject.toml").is_file():
        roots += [str(project / name) for name in ("docs", "hfp8_hw", "verif", "fpga", "rtl_gen")]
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in names:
                path = Path(folder, name)
                if not path.is_symlink() and path.is_file():
                    yield path, str(path.relative_to(root))
