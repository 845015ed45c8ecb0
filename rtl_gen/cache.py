"""What is built once and kept: folders named by the hash of all that went into them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

KEPT_DAYS = 14
"""What is not used for so long is removed when something else is built."""


def cache_dir() -> Path:
    """Where builds and results are kept: ``HFP8_CACHE``, else the user's cache folder."""
    given = os.environ.get("HFP8_CACHE")
    if given:
        return Path(given)
    # Not part of the core: missing, it is named by the command that needs a cache.
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("hfp8-hw"))


def digest(facts: Iterable[str]) -> str:
    """32 hexadecimal digits that stand for a list of texts."""
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32]


def built(kind: str, facts: Iterable[str], make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` fills, from the cache if the same facts have been built before.

    Parameters
    ----------
    kind : str
        A folder of the cache.
    facts : iterable of str
        Everything that the content depends on.
    make : callable
        Fills the empty folder that it is given; whatever it raises leaves nothing behind.
    """
    key = digest(facts)
    parent = cache_dir() / kind
    ready = parent / key
    if ready.is_dir():
        with suppress(OSError):  # only a sign of use
            os.utime(ready)
        return ready
    parent.mkdir(parents=True, exist_ok=True)
    _forget(parent)
    with tempfile.TemporaryDirectory(prefix=f".{key}-", dir=parent) as scratch:
        folder = Path(scratch) / "build"
        folder.mkdir()
        make(folder)
        try:
            os.rename(folder, ready)
        except OSError:
            if not ready.is_dir():  # another process may have built the same meanwhile
                raise
    return ready


def _forget(parent: Path) -> None:
    """Remove what has not been used for `KEPT_DAYS`, and what a killed process left."""
    oldest = time.time() - KEPT_DAYS * 86400
    for folder in parent.iterdir():
        with suppress(OSError):  # another process may be doing the same
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder)
