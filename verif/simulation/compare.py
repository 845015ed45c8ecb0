"""The user's own tensors through the RTL and through the golden model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import parse_operand
from hfp8_hw.golden import decode, quantize
from hfp8_hw.parameters import unit_parameters
from hfp8_hw.rounding import FLAGS
from rtl_gen.package import Package

from ..stimulus.reference import code_width, golden_call, is_signed, signed
from .run_arrays import apply


@dataclass
class Comparison:
    """What a comparison found, ready for JSON.

    Members
    -------
    elements, mismatches : int
        Results compared, and how many differ in code or flags.
    max_abs, max_rel, sqnr_db : float or None
        Error of the RTL's values against binary64 arithmetic on the inputs as given, over the
        results that are finite in both; None where there is none, SQNR also if there is no error.
    flags : dict
        How often each flag was set.
    """

    unit: str
    parameters: dict[str, Any]
    simulator: str
    via: str
    elements: int
    mismatches: int
    max_abs: float | None
    max_rel: float | None
    sqnr_db: float | None
    not_finite: int
    flags: dict[str, int]
    seconds: float
    first: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """All members."""
        return asdict(self)


def data_names(package: Package) -> tuple[list[str], list[str]]:
    """The arrays a unit needs, and those it takes besides."""
    inputs = [
        port
        for port in merged(package.manifest)["ports"]
        if port["dir"] == "in" and port["role"] in ("data", "config")
    ]
    needed = [p["name"][2:] for p in inputs if "format" in p]
    return needed, [p["name"][2:] for p in inputs if "format" not in p]


def merged(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest as if the ports of an argument that has several were one: ``i_a``."""
    golden, ports = manifest["golden"], {p["name"]: p for p in manifest["ports"]}
    fed: dict[str, str] = {}
    for argument, port in golden["inputs"].items():
        if isinstance(port, list):
            ports[f"i_{argument}"] = {**ports[port[0]], "name": f"i_{argument}"}
            for name in port:
                del ports[name]
        fed[argument] = f"i_{argument}" if isinstance(port, list) else port
    return {**manifest, "ports": list(ports.values()), "golden": {**golden, "inputs": fed}}


def compare(
    package: Package, arrays: Mapping[str, NDArray[Any]], simulator: str, seed: int
) -> Comparison:
    """Run arrays through a unit and through its golden function.

    Parameters
    ----------
    arrays : mapping of ndarray
        ``x``, or ``a`` and ``b``: floats, which the golden model quantizes first (RNE), or
        unsigned codes. Optional: ``mode``, ``mode_a``, ``mode_b`` (0 by default), ``bias``,
        ``bias_a``, ``bias_b`` (the format's by default), ``rbits`` (seeded random by default).
    seed : int
        Of random bits that are not given.

    Raises
    ------
    ParameterError
        For missing or unknown arrays, wrong dtypes or shapes.
    """
    outputs = package.manifest["golden"]["outputs"]
    if outputs != ["o_y", "o_flags"]:
        raise ParameterError(
            f"unit={package.manifest['unit']!r} is not allowed with the outputs {outputs!r}: "
            "compare takes units that put out one code and its flags"
        )
    if not any("format" in port for port in package.manifest["ports"] if port["dir"] == "in"):
        raise ParameterError(
            f"unit={package.manifest['unit']!r} is not allowed: it takes no numbers to compare"
        )
    if any("encoding" in port for port in package.manifest["ports"] if port["dir"] == "out"):
        raise ParameterError(
            f"unit={package.manifest['unit']!r} is not allowed: it puts out fixed-point operands, "
            "and compare takes units that put out codes"
        )
    needed, optional = data_names(package)
    if package.manifest["golden"]["arguments"].get("random"):
        raise ParameterError(
            "random='xorshift32' is not allowed for compare: which word an element gets depends on "
            "the order of the whole run; use random='input'"
        )
    for name in needed:
        if name not in arrays:
            raise ParameterError(
                f"inputs={sorted(arrays)!r} is not allowed: {package.manifest['unit']} needs the "
                f"arrays {', '.join(needed)}"
            )
    for name in arrays:
        if name not in (*needed, *optional):
            raise ParameterError(
                f"array {name!r} is not allowed: {package.manifest['unit']} takes "
                f"{', '.join((*needed, *optional))}"
            )
    manifest = merged(package.manifest)
    ports = {port["name"]: port for port in manifest["ports"]}
    rest = _rest(package, arrays, needed, optional, seed)
    codes: dict[str, NDArray[Any]] = {}
    reals: dict[str, NDArray[np.float64]] = {}
    for name in needed:
        port = ports[f"i_{name}"]
        codes[name], reals[name] = _codes(name, arrays[name], port, rest, arrays)
    done = apply(package, simulator, {**codes, **rest}, seed)
    given = {f"i_{name}": value for name, value in {**codes, **rest}.items()}
    function, arguments = golden_call(manifest, given)
    want_codes, want_flags = function(**arguments)
    wrong = (done.codes != want_codes) | (done.flags != want_flags)
    values = _values(package, done.codes, ports["o_y"], rest)
    statistics = _errors(values, _reference(package, reals))
    return Comparison(
        unit=package.manifest["unit"],
        parameters=package.manifest["parameters"],
        simulator=simulator,
        via="cocotb",
        elements=int(wrong.size),
        mismatches=int(wrong.sum()),
        flags={name: int((done.flags >> k & 1).sum()) for k, name in enumerate(FLAGS)},
        seconds=done.outcome.seconds,
        first=done.outcome.first,
        **statistics,
    )


def _values(
    package: Package, codes: NDArray[Any], port: dict[str, Any], rest: dict[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """What the results are worth: codes of a format, or fixed point."""
    if "format" in port:
        return decode(codes, parse_operand(port["format"])[0])
    fixed = unit_parameters(package.manifest["unit"], package.manifest["parameters"]).fixed
    unit = fixed.lsb
    for name in ("bias_a", "bias_b"):
        if name in rest:
            # One bias a sum: that of its first item.
            bias = rest[name] if rest[name].ndim == 0 else rest[name][..., 0]
            unit = unit - bias
    return np.ldexp(signed(codes, port["width"]).astype(np.float64), unit)


def _rest(
    package: Package,
    arrays: Mapping[str, NDArray[Any]],
    needed: list[str],
    optional: list[str],
    seed: int,
) -> dict[str, NDArray[Any]]:
    """Modes, biases and random bits: given, or by default."""
    ports = {port["name"]: port for port in merged(package.manifest)["ports"]}
    rng = np.random.default_rng(seed)
    rest: dict[str, NDArray[Any]] = {}
    for name in optional:
        width = ports[f"i_{name}"]["width"]
        if name in arrays:
            given = np.asarray(arrays[name])
            low, high = (-(1 << width - 1), (1 << width - 1) - 1) if is_signed(name) else (
                0, (1 << width) - 1)  # fmt: skip
            if given.dtype.kind not in "uib" or (
                given.size and not low <= int(given.min()) <= int(given.max()) <= high
            ):
                raise ParameterError(
                    f"array {name!r} is not allowed: integers from {low} to {high}"
                )
            rest[name] = given.astype(np.int64)
        elif name == "rbits":
            shape = np.broadcast_shapes(*(np.shape(arrays[n]) for n in needed))
            rest[name] = rng.integers(0, 1 << width, shape)
        elif name.startswith("mode") or name == "scale":
            rest[name] = np.zeros((), np.int64)
        else:
            rest[name] = np.array(_own_bias(package, name), np.int64)
    return rest


def _own_bias(package: Package, name: str) -> int:
    """The bias that a run-time bias input replaces."""
    ports = {port["name"]: port for port in merged(package.manifest)["ports"]}
    operand = name.replace("bias_", "i_") if name != "bias" else "i_x"
    if name == "bias" and package.manifest["unit"] == "quantizer":
        operand = "o_y"
    return parse_operand(ports[operand]["format"])[0].bias


def _codes(
    name: str,
    values: NDArray[Any],
    port: dict[str, Any],
    rest: dict[str, NDArray[Any]],
    arrays: Mapping[str, NDArray[Any]],
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Codes for the unit, and the real numbers that the user meant."""
    formats = parse_operand(port["format"])
    mode = rest.get(f"mode_{name}", rest.get("mode")) if len(formats) > 1 else None
    bias = rest.get(f"bias_{name}")
    if values.dtype.kind == "u":
        if values.size and int(values.max()) >= 1 << code_width(port):
            raise ParameterError(
                f"array {name!r} holds the code {int(values.max())!r}, which is not allowed: "
                f"{port['format']} codes have {code_width(port)} bits"
            )
        return values, decode(values, port["format"], mode=mode, bias=bias)
    if values.dtype.kind != "f":
        raise ParameterError(
            f"array {name!r} has dtype {str(values.dtype)!r}, which is not allowed: floats, or "
            "unsigned codes"
        )
    shape = np.broadcast_shapes(*(v.shape for v in (values, mode, bias) if v is not None))
    per_format = [
        quantize(
            np.broadcast_to(values, shape),
            fmt,
            bias=bias,
            overflow="special" if fmt.has_nan else "saturate",
        )
        for fmt in formats
    ]
    codes = per_format[0] if mode is None else np.where(mode != 0, per_format[1], per_format[0])
    return codes, np.asarray(values, np.float64)


def _reference(package: Package, reals: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """The same operation in binary64 on the numbers as the user gave them."""
    with np.errstate(all="ignore"):
        match package.manifest["unit"]:
            case "relu":
                return np.maximum(reals["x"], 0.0)
            case "fp_add":
                return reals["a"] + reals["b"]
            case "fp_max":
                return np.maximum(reals["a"], reals["b"])
        if "x" in reals:
            return reals["x"]
        product = reals["a"] * reals["b"]
        return product.sum(axis=-1) if package.manifest["golden"]["sum"] else product


def _errors(values: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, Any]:
    values, reference = np.broadcast_arrays(values, reference)
    finite = np.isfinite(values) & np.isfinite(reference)
    value, wanted = values[finite], reference[finite]
    error = np.abs(value - wanted)
    relative = error[wanted != 0] / np.abs(wanted[wanted != 0])
    noise, signal = float((error**2).sum()), float((wanted**2).sum())
    return {
        "max_abs": float(error.max()) if error.size else None,
        "max_rel": float(relative.max()) if relative.size else None,
        "sqnr_db": 10 * float(np.log10(signal / noise)) if noise > 0 and signal > 0 else None,
        "not_finite": int((~finite).sum()),
    }
