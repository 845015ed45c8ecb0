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

SHARES = {"calibration": (0, 1), "evaluation": (1, 4)}
"""Of each suffix, which files in their fixed order."""

SMALLEST = 64
"""Bytes; magika's network does not see files of a few bytes."""


def chosen(share: str) -> list[Path]:
    """Files for calibration or for evaluation, at most 1 or 3 of each suffix.

    They come from Python's library and packages, this project, and the system's shared files and
    programs. What is there is put in an order that depends on nothing but the files' names.
    """
    first, last = SHARES[share]
    return [path for suffix in SUFFIXES for path in _by_suffix().get(suffix, [])[first:last]]


@cache
def _by_suffix() -> dict[str, list[Path]]:
    found: dict[str, dict[str, str]] = {}
    for folder, name, root in _files():
        suffix = _suffix(folder, name)
        if suffix:
            path = f"{folder}/{name}"
            found.setdefault(suffix, {}).setdefault(path[len(root) + 1 :], path)
    most = max(last for _, last in SHARES.values())
    return {suffix: _first(names, most) for suffix, names in found.items()}


def _suffix(folder: str, name: str) -> str:
    """Which of `SUFFIXES` a file has; empty if none."""
    if "." not in name:
        in_bin = folder.endswith("/bin")
        return "elf" if in_bin and _begins(Path(folder, name), b"\x7fELF") else ""
    suffix = name.rpartition(".")[2].lower()
    return suffix if suffix in _KNOWN else ""


_KNOWN = frozenset(SUFFIXES) - {"elf"}


def _begins(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def _first(names: dict[str, str], count: int) -> list[Path]:
    """The first files by a hash of their names, of different contents."""
    kept: dict[bytes, Path] = {}
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()):
        path = Path(names[name])
        content = _ends(path)
        if content:
            kept.setdefault(content, path)
        if len(kept) == count:
            break
    return list(kept.values())


def _ends(path: Path) -> bytes:
    """What tells a file's content from others'; nothing of what is no file, too small or cannot be
    read."""
    try:
        if path.is_symlink() or not path.is_file():
            return b""
        size = path.stat().st_size
        with path.open("rb") as file:
            begin = file.read(4096)
    except OSError:
        return b""
    return b"%d " % size + begin if size >= SMALLEST and begin.strip() else b""


def _files() -> Iterator[tuple[str, str, str]]:
    """Folder, name and root of all files below some folders."""
    project = Path(__file__).resolve().parents[4]
    paths = sysconfig.get_paths()
    roots = [paths["stdlib"], paths["purelib"], "/usr/bin", "/usr/share", "/usr/include", "/etc"]
    if (project / "pyproject.toml").is_file():
        roots += [str(project / name) for name in ("docs", "hfp8_hw", "verif", "fpga", "rtl_gen")]
    for root in roots:
        for folder, _, names in os.walk(root):
            yield from ((folder, name, root) for name in names)
