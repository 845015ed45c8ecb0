"""Files and modules of installed packages; what is missing is said with the command for it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import ToolMissing

SOURCES = {
    "PIL": "pillow",
    "basic_pitch": "--no-deps basic-pitch==0.4.0",
    "magika": "magika==1.0.3",
    "matplotlib": "matplotlib",
    "onnx": "onnx onnxruntime",
    "onnxruntime": "onnx onnxruntime",
    "rapidocr_onnxruntime": "--no-deps --ignore-requires-python rapidocr-onnxruntime==1.4.4",
    "sklearn": "scikit-learn",
    "threadpoolctl": "scikit-learn",
}
"""What pip is told, by module. Of some packages one file is all we need: they come without the
others that they depend on, such as TensorFlow."""


def file_of(package: str, name: str) -> Path:
    """A file in the folder of an installed package, which is not imported.

    Raises
    ------
    ToolMissing
        If the package or the file is not there; it says how to install it.
    """
    spec = find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    what = f"{name} of {package}" if folders else package
    raise ToolMissing(missing(what, package))


def needed(module: str) -> Any:
    """A module that only some examples need.

    Raises
    ------
    ToolMissing
        If it is not installed; it says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise ToolMissing(missing(module, module.partition(".")[0])) from None


def missing(what: str, package: str) -> str:
    """One line: what is missing, and the command that installs it."""
    return f"{what} is missing; install it with: python -m pip install {SOURCES[package]}"
