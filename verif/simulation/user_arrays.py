"""A user's arrays: which ones a unit takes, what their dtypes mean, and what is refused.

Everything here happens before a simulator starts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import FloatFormat, parse_operand
from hfp8_hw.golden import decode, quantize
from hfp8_hw.rounding import FLAGS
from rtl_gen.package import Package

from ..stimulus.reference import code_width, is_signed

MOST_TERMS = 1 << 24
"""The largest ``terms`` that a unit may have."""
MOST_AXES = 32
"""How many axes NumPy broadcasts."""


@dataclass(frozen=True)
class Prepared:
    """Arrays as a unit takes them.

    Members
    -------
    shape : tuple of int
        Of the results: all arrays broadcast, without the last axis if the unit sums.
    inputs : dict of ndarray
        Codes and other integers by input: ``(results,)``, for a unit that sums ``(results,
        products)``; or one for all, of shape ``()``.
    reals : dict of ndarray
        For each input with a format the real numbers that the user gave, in binary64.
    may_wrap : int
        Sums of more than ``terms`` products, which ``acc=fixed`` may wrap.
    flags : dict of int
        How often each flag was set when values were rounded to the formats of the inputs. An
        element that is broadcast counts as often as it is used; codes that are taken as they are
        have no flags.
    """

    shape: tuple[int, ...]
    inputs: dict[str, NDArray[Any]]
    reals: dict[str, NDArray[np.float64]]
    may_wrap: int
    flags: dict[str, int]

    @property
    def count(self) -> int:
        """How many results there are."""
        return math.prod(self.shape)


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


def prepare(package: Package, arrays: Mapping[str, NDArray[Any]], seed: int) -> Prepared:
    """Check a user's arrays and make codes of them.

    Parameters
    ----------
    package : Package
        A unit that outputs one code and its flags.
    arrays : mapping of ndarray
        By name, all of shapes that broadcast; units that sum do so over the last axis.

        ``x``, or ``a`` and ``b``, the numbers. float16, float32 and float64 are values, which the
        golden model first rounds to the input's format (RNE). Unsigned integers are codes of the
        input's format. With an array ``x_format`` (``a_format``, ``b_format``) that holds a
        format's name, ``x`` has codes of that format, which are decoded and then rounded as
        values are, or taken as they are if it is the input's own format. Such codes may also be
        signed integers, those of exactly the format's width as bits, and raw bytes: NumPy's
        ``V1``, ``V2``, ``V4``, as `numpy.save` leaves ``bfloat16``.

        ``mode``, ``mode_a``, ``mode_b`` (by default 0), ``bias``, ``bias_a``, ``bias_b`` (the
        format's own), ``scale`` (0) and ``rbits`` (random): integers.
    seed : int
        Of random bits that are not given.

    Raises
    ------
    ParameterError
        For a unit that has no such arrays; for missing and unknown arrays, dtypes, values and
        shapes that are not allowed; for exact sums of more than ``terms`` products, other than
        with ``acc=fixed``, and biases that change within a sum that needs one bias.
    """
    check_unit(package)
    manifest = merged(package.manifest)
    ports = {
        port["name"][2:]: port
        for port in manifest["ports"]
        if port["dir"] == "in" and port["role"] in ("data", "config")
    }
    needed = [name for name, port in ports.items() if "format" in port]
    _check_names(package, arrays, ports, needed)
    numbers = {name: values for name, values in arrays.items() if name in ports}
    framed = manifest["golden"]["sum"] is not None
    shape = _common_shape(numbers, framed)
    may_wrap = _check_length(package, shape)
    flat = (-1, shape[-1]) if framed else (-1,)
    wide = {name: np.broadcast_to(v, shape).reshape(flat) for name, v in numbers.items()}
    rng = np.random.default_rng(seed)
    inputs: dict[str, NDArray[Any]] = {}
    # Biases last: a format's own one may depend on the mode.
    for name in sorted(set(ports) - set(needed), key=lambda name: (is_signed(name), name)):
        port = ports[name]
        if name in arrays:
            values = wide[name] if arrays[name].ndim else arrays[name]
            inputs[name] = integers_of(name, values, port["width"])
        elif name == "rbits":
            inputs[name] = rng.integers(0, 1 << port["width"], wide[needed[0]].shape)
        elif is_signed(name) and name != "scale":
            inputs[name] = _own_bias(manifest, name, ports, inputs)
        else:
            inputs[name] = np.zeros((), np.int64)
    if package.manifest["parameters"].get("semantics") in ("exact", "exact_chunk"):
        _check_biases(inputs)
    reals: dict[str, NDArray[np.float64]] = {}
    rounded = np.zeros(len(FLAGS), np.int64)
    with np.errstate(all="ignore"):
        for name in needed:
            own = _mode_and_bias(manifest, name, inputs)
            source = format_named(name, arrays)
            inputs[name], reals[name], raised = codes_of(
                name, wide[name], ports[name], source, **own
            )
            rounded += [int((raised >> k & 1).sum()) for k in range(len(FLAGS))]
    flags = {name: int(count) for name, count in zip(FLAGS, rounded, strict=True)}
    return Prepared(shape[:-1] if framed else shape, inputs, reals, may_wrap, flags)


def decoded(package: Package, given: Prepared) -> dict[str, NDArray[np.float64]]:
    """The real numbers that the codes of each input with a format stand for: what rounding to that
    format has left of ``given.reals``."""
    manifest = merged(package.manifest)
    ports = {port["name"][2:]: port for port in manifest["ports"] if port["dir"] == "in"}
    found = {}
    with np.errstate(all="ignore"):
        for name in given.reals:
            fmt, own = ports[name]["format"], _mode_and_bias(manifest, name, given.inputs)
            mode = own.get("mode") if len(parse_operand(fmt)) > 1 else None
            found[name] = decode(given.inputs[name], fmt, mode=mode, bias=own.get("bias"))
    return found


def _mode_and_bias(
    manifest: dict[str, Any], name: str, inputs: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any] | None]:
    """What says how an input's codes are read; ``manifest`` is merged."""
    fed_by = {port: argument for argument, port in manifest["golden"]["inputs"].items()}
    return {
        word: inputs.get(f"{word}_{name}", inputs.get(word))
        for word in ("mode", "bias")
        # The bias of a quantizer is its result's.
        if fed_by.get(f"i_{word}") != "bias"
    }


def check_unit(package: Package) -> None:
    """Raise ParameterError for a unit that has no results to compare with those of arrays."""
    manifest = package.manifest
    outputs = manifest["golden"]["outputs"]
    refusal = f"unit={manifest['unit']!r} is not allowed"
    if outputs != ["o_y", "o_flags"]:
        raise ParameterError(
            f"{refusal} with the outputs {outputs!r}: "
            "compare takes units that output one code and its flags"
        )
    if not any("format" in port for port in manifest["ports"] if port["dir"] == "in"):
        raise ParameterError(f"{refusal}: it takes no numbers to compare")
    if any("encoding" in port for port in manifest["ports"] if port["dir"] == "out"):
        raise ParameterError(
            f"{refusal}: it outputs fixed-point operands, and compare takes units that output codes"
        )
    if manifest["golden"]["arguments"].get("random"):
        raise ParameterError(
            "random='xorshift32' is not allowed for compare: which word an element gets depends on "
            "the order of the whole run; use random='input'"
        )


def _check_names(
    package: Package,
    arrays: Mapping[str, NDArray[Any]],
    ports: dict[str, dict[str, Any]],
    needed: list[str],
) -> None:
    unit = package.manifest["unit"]
    if not set(needed) <= set(arrays):
        raise ParameterError(
            f"inputs={sorted(arrays)!r} is not allowed: {unit} needs the arrays {', '.join(needed)}"
        )
    formats = [f"{name}_format" for name in needed]
    allowed = [*needed, *(name for name in ports if name not in needed), *formats]
    for name in arrays:
        if name not in allowed:
            raise ParameterError(
                f"array {name!r} is not allowed: {unit} with these parameters takes "
                f"{', '.join(allowed)}"
            )


def _common_shape(numbers: Mapping[str, NDArray[Any]], framed: bool) -> tuple[int, ...]:
    words = ", ".join(f"{name} {values.shape!r}" for name, values in numbers.items())
    if any(values.ndim > MOST_AXES for values in numbers.values()):
        raise ParameterError(f"shapes {words} are not allowed: at most {MOST_AXES} axes")
    try:
        shape = np.broadcast_shapes(*(values.shape for values in numbers.values()))
    except ValueError:
        raise ParameterError(f"shapes {words} are not allowed: they do not broadcast") from None
    if framed and not shape:
        raise ParameterError(f"shapes {words} are not allowed: there is no last axis to sum")
    if 0 in shape:
        raise ParameterError(f"shapes {words} are not allowed: there is nothing to compute")
    return shape


def _check_length(package: Package, shape: tuple[int, ...]) -> int:
    """How many sums are longer than a fixed-point result is made for; others are refused."""
    parameters = package.manifest["parameters"]
    if parameters.get("semantics") != "exact" or shape[-1] <= parameters["terms"]:
        return 0
    if parameters["acc"] == "fixed":
        return int(np.prod(shape[:-1], dtype=np.int64))
    remedy = f"terms={shape[-1]}" if shape[-1] <= MOST_TERMS else f"at most {MOST_TERMS} products"
    raise ParameterError(
        f"sums of {shape[-1]} products are not allowed for terms={parameters['terms']!r}, where "
        f"they may wrap without a flag: shorter sums, or {remedy}"
    )


def integers_of(name: str, values: NDArray[Any], width: int) -> NDArray[np.int64]:
    """An input that has no format: integers of the port's width."""
    low, high = 0, (1 << width) - 1
    if is_signed(name):
        low, high = -(1 << width - 1), (1 << width - 1) - 1
    allowed = f"which is not allowed: integers from {low} to {high}"
    if values.dtype.kind not in "uib":
        raise ParameterError(f"array {name!r} has dtype {str(values.dtype)!r}, {allowed}")
    for extreme in (int(values.min()), int(values.max())):
        if not low <= extreme <= high:
            raise ParameterError(f"array {name!r} holds {extreme!r}, {allowed}")
    return values.astype(np.int64)


def _own_bias(
    manifest: dict[str, Any],
    name: str,
    ports: dict[str, dict[str, Any]],
    inputs: dict[str, NDArray[Any]],
) -> NDArray[np.int64]:
    """The biases that a run-time bias input replaces: by mode, where that chooses the format."""
    if manifest["golden"]["inputs"].get("bias") == f"i_{name}":
        port = next(p for p in manifest["ports"] if p["name"] == "o_y")
    else:
        port = ports[name.removeprefix("bias_") if name != "bias" else "x"]
    first, *others = (fmt.bias for fmt in parse_operand(port["format"]))
    mode = inputs[name.replace("bias", "mode")] if others else np.zeros((), np.int64)
    return np.where(mode != 0, others[0] if others else first, first)


def _check_biases(inputs: dict[str, NDArray[Any]]) -> None:
    for name, values in inputs.items():
        if name.startswith("bias") and values.ndim and (values != values[:, :1]).any():
            raise ParameterError(
                f"array {name!r} is not allowed: it changes within a sum, and an exact sum has "
                "one bias (by default each format's own)"
            )


def format_named(name: str, arrays: Mapping[str, NDArray[Any]]) -> str | None:
    """The format that the file names for an array of codes, if it names one."""
    key = f"{name}_format"
    if key not in arrays:
        return None
    given = arrays[key]
    if given.size != 1 or given.dtype.kind not in "US":
        raise ParameterError(
            f"array {key!r} of shape {given.shape!r} and dtype {str(given.dtype)!r} is not "
            "allowed: the name of one format, such as 'BF16'"
        )
    text = given.astype(bytes if given.dtype.kind == "S" else str).reshape(-1)[0]
    text = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
    parse_operand(text, key)
    return text


def codes_of(
    name: str,
    values: NDArray[Any],
    port: dict[str, Any],
    source: str | None,
    mode: NDArray[Any] | None = None,
    bias: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[Any]]:
    """Codes for the unit, the real numbers that the user meant, and the flags of rounding them."""
    formats = parse_operand(port["format"])
    mode = mode if len(formats) > 1 else None
    if source is not None or values.dtype.kind == "u":
        named = formats if source is None else parse_operand(source)
        bits = _bits(name, values, source or port["format"], named[0])
        if named == formats:
            own = decode(bits, port["format"], mode=mode, bias=bias)
            return bits, own, np.zeros(bits.shape, np.uint8)
        if len(named) > 1:
            raise ParameterError(
                f"{name}_format={source!r} is not allowed: {name} is {port['format']}, and only an "
                "HFP8 input has a mode for it"
            )
        reals = decode(bits, named[0])
    elif values.dtype.kind == "f" and values.dtype.itemsize <= 8:
        reals = values.astype(np.float64)
    else:
        raise ParameterError(_refused_dtype(name, values))
    per_format = [
        quantize(
            reals, fmt, bias=bias, overflow="special" if fmt.has_nan else "saturate", flags=True
        )
        for fmt in formats
    ]
    codes, flags = per_format[0]
    if mode is not None:
        codes, flags = (
            np.where(mode != 0, second, first) for first, second in zip(*per_format, strict=True)
        )
    return codes, reals, flags


def _refused_dtype(name: str, values: NDArray[Any]) -> str:
    text = f"array {name!r} has dtype {str(values.dtype)!r}, which is not allowed: "
    if values.dtype.kind in "iV" and values.dtype.names is None:
        return (
            text
            + f"if these are codes, name their format in an array {name}_format"
            + ("; if they are values, convert them to float64" if values.dtype.kind == "i" else "")
        )
    return text + "values as float16, float32 or float64, or codes as unsigned integers"


def _bits(name: str, values: NDArray[Any], called: str, fmt: FloatFormat) -> NDArray[Any]:
    """Codes of a format as unsigned integers."""
    dtype, size = values.dtype, values.dtype.itemsize
    plain = dtype.kind in "ui" or (dtype.kind == "V" and dtype.names is None and not dtype.shape)
    if (
        not plain
        or (dtype.kind == "V" and size != (fmt.width + 7) // 8)
        or size not in (1, 2, 4, 8)
    ):
        raise ParameterError(
            f"array {name!r} has dtype {str(dtype)!r}, which is not allowed with {name}_format="
            f"{called!r}: codes of {fmt.width} bits, as unsigned integers"
        )
    if dtype.kind == "V" or (dtype.kind == "i" and 8 * size == fmt.width):
        values = np.ascontiguousarray(values).view(f"u{size}")
    low, high = int(values.min()), int(values.max())
    width = code_width({"format": called})
    if low < 0 or high >= 1 << width:
        raise ParameterError(
            f"array {name!r} holds the code {low if low < 0 else high!r}, which is not allowed: "
            f"{called} codes have {width} bits"
        )
    return values.astype(f"u{max(1, 1 << ((width + 7) // 8 - 1).bit_length())}")
