"""The user's own tensors through the RTL and through the golden model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import parse_operand
from hfp8_hw.golden import decode
from hfp8_hw.parameters import unit_parameters
from hfp8_hw.rounding import FLAGS
from rtl_gen.package import Package

from ..stimulus.reference import golden_call, signed
from .run_arrays import Applied, apply
from .user_arrays import Prepared, decoded, merged


@dataclass
class Comparison:
    """What a comparison found, ready for JSON.

    Members
    -------
    elements, mismatches : int
        Results compared, and how many differ in code or flags.
    may_wrap : int
        Sums of more than ``terms`` products, which ``acc=fixed`` may wrap.
    max_abs, max_rel, sqnr_db : float or None
        Error of the RTL's values against binary64 arithmetic on the inputs as given, over the
        results that are finite in both; None where there is none or binary64 has no number for
        it, SQNR also if there is no error.
    flags : dict
        How often each flag was set: by the unit, and, as ``input overflow`` and so on, when the
        golden model rounded the values given to the formats of the inputs.
    first : dict or None
        The first mismatch: its index in the array of results, its inputs, expected and got.
    y, width, format : ndarray, int, str or None
        The codes that the RTL gave, their bits and their format's name; None: fixed point.
    """

    unit: str
    parameters: dict[str, Any]
    simulator: str
    via: str
    elements: int
    mismatches: int
    may_wrap: int
    max_abs: float | None
    max_rel: float | None
    sqnr_db: float | None
    not_finite: int
    flags: dict[str, int]
    seconds: float
    first: dict[str, Any] | None
    y: NDArray[Any] = field(repr=False, compare=False)
    width: int
    format: str | None

    def to_dict(self) -> dict[str, Any]:
        """All members, those that describe the results aside."""
        left = ("y", "width", "format")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left}


def compare(
    package: Package,
    given: Prepared,
    simulator: str,
    seed: int,
    run: Callable[..., Applied] = apply,
    via: str = "cocotb",
) -> Comparison:
    """Run arrays through a unit and through its golden function.

    Parameters
    ----------
    given : Prepared
        From `verif.simulation.user_arrays.prepare` for the same package.
    seed : int
        Of the bench.
    run : callable
        What puts arrays through the unit: `verif.simulation.run_arrays.apply`.
    via : str
        What it is called.

    Raises
    ------
    ParameterError, ToolMissing, SimulationError
        As `verif.simulation.run_arrays.apply`.
    """
    manifest = merged(package.manifest)
    ports = {port["name"]: port for port in manifest["ports"]}
    done = run(package, simulator, given.inputs, seed)
    with np.errstate(all="ignore"):
        want = expected(package, given)
        wrong = (done.codes != want[0]) | (done.flags != want[1])
        values = _values(package, done.codes, ports["o_y"], given.inputs)
        statistics = errors(values, _reference(package, given))
    return Comparison(
        unit=package.manifest["unit"],
        parameters=package.manifest["parameters"],
        simulator=simulator,
        via=via,
        elements=int(wrong.size),
        mismatches=int(wrong.sum()),
        may_wrap=given.may_wrap,
        flags={name: int((done.flags >> k & 1).sum()) for k, name in enumerate(FLAGS)}
        | {f"input {name}": count for name, count in given.flags.items()},
        seconds=done.outcome.seconds,
        first=_first(wrong, given, want, done),
        y=done.codes.reshape(given.shape),
        width=ports["o_y"]["width"],
        format=ports["o_y"].get("format"),
        **statistics,
    )


def expected(package: Package, given: Prepared) -> tuple[NDArray[Any], NDArray[Any]]:
    """Codes and flags that the golden model has for the arrays, one for each result."""
    values = {f"i_{name}": value for name, value in given.inputs.items()}
    function, arguments = golden_call(merged(package.manifest), values)
    codes, flags = function(**arguments)
    return codes, flags


def golden_errors(package: Package, given: Prepared) -> dict[str, Any]:
    """The members of `Comparison` that measure errors, of the golden model's results, and two more.

    ``exact`` says that all results are finite and have no error. ``own`` has the same of the unit
    by itself: against binary64 arithmetic on what the inputs are after rounding to their formats.
    """
    port = next(port for port in package.manifest["ports"] if port["name"] == "o_y")
    rounded = replace(given, reals=decoded(package, given))
    with np.errstate(all="ignore"):
        codes, _ = expected(package, given)
        values = _values(package, codes, port, given.inputs)
        all_, own = (errors(values, _reference(package, one)) for one in (given, rounded))
    for found in (all_, own):
        found["exact"] = found["max_abs"] == 0.0 and not found["not_finite"]
    return {**all_, "own": own}


def _first(
    wrong: NDArray[np.bool_],
    given: Prepared,
    want: tuple[NDArray[Any], NDArray[Any]],
    done: Applied,
) -> dict[str, Any] | None:
    """The first mismatch, in the user's terms."""
    if not wrong.any():
        return None
    k = int(np.argmax(wrong))
    return {
        "index": [int(n) for n in np.unravel_index(k, given.shape)],
        "inputs": {name: (v[k] if v.ndim else v).tolist() for name, v in given.inputs.items()},
        "expected": {"y": int(want[0][k]), "flags": int(want[1][k])},
        "got": {"y": int(done.codes[k]), "flags": int(done.flags[k])},
    }


def _values(
    package: Package, codes: NDArray[Any], port: dict[str, Any], inputs: dict[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """What the results are worth: codes of a format, or fixed point."""
    if "format" in port:
        own = package.manifest["golden"]["inputs"].get("bias") == "i_bias"
        bias = inputs["bias"] if own else None
        return decode(codes, parse_operand(port["format"])[0], bias=bias)
    fixed = unit_parameters(package.manifest["unit"], package.manifest["parameters"]).fixed
    unit = fixed.lsb
    for name in ("bias_a", "bias_b"):
        if name in inputs:
            # One bias a sum: that of its first item.
            unit = unit - (inputs[name] if inputs[name].ndim == 0 else inputs[name][:, 0])
    return np.ldexp(signed(codes, port["width"]).astype(np.float64), unit)


def _reference(package: Package, given: Prepared) -> NDArray[np.float64]:
    """The same operation in binary64 on the numbers as the user gave them."""
    reals = given.reals
    match package.manifest["unit"]:
        case "relu":
            return np.maximum(reals["x"], 0.0)
        case "fp_add":
            return reals["a"] + reals["b"]
        case "fp_max":
            return np.maximum(reals["a"], reals["b"])
    if "x" in reals:
        return np.ldexp(reals["x"], given.inputs.get("scale", np.zeros((), np.int64)))
    product = reals["a"] * reals["b"]
    return product.sum(axis=-1) if package.manifest["golden"]["sum"] else product


def errors(values: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, Any]:
    """The members of `Comparison` that measure errors."""
    finite = np.isfinite(values) & np.isfinite(reference)
    value, wanted = values[finite], reference[finite]
    error = np.abs(value - wanted)
    relative = error[wanted != 0] / np.abs(wanted[wanted != 0])
    return {
        "max_abs": _greatest(error),
        "max_rel": _greatest(relative),
        "sqnr_db": _ratio_db(wanted, error),
        "not_finite": int((~finite).sum()),
    }


def error_words(found: Mapping[str, Any], which: str = "") -> str:
    """SQNR in dB as a text, with what it does not tell.

    ``found`` has ``sqnr_db``, ``exact`` (no error at all), ``results``, ``not_finite`` and
    ``may_wrap``; ``which`` is what the first two's names begin with.
    """
    if not found["results"]:
        return "not measured"
    number = found[f"{which}sqnr_db"]
    parts = ["exact" if found[f"{which}exact"] else "-" if number is None else f"{number:.1f}"]
    parts += [f"{found['not_finite']:,} not finite"] if found["not_finite"] else []
    parts += [f"{found['may_wrap']:,} may wrap"] if found["may_wrap"] else []
    return ", ".join(parts)


def _greatest(values: NDArray[np.float64]) -> float | None:
    top = float(values.max()) if values.size else np.inf
    return top if np.isfinite(top) else None


def _ratio_db(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> float | None:
    """The ratio of two energies; None if either is 0. Squares neither over- nor underflow."""
    energies, exponents = [], []
    for values in (signal, noise):
        if not values.any():
            return None
        exponents.append(int(np.frexp(np.abs(values).max())[1]))
        energies.append(float((np.ldexp(values, -exponents[-1]) ** 2).sum()))
    doubled = 20 * float(np.log10(2.0)) * (exponents[0] - exponents[1])
    return 10 * float(np.log10(energies[0] / energies[1])) + doubled
