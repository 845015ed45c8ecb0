"""Operands found from the result that is wanted: sums, products, updates, scales and biases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import (
    RUNTIME_BIAS_RANGE,
    RUNTIME_BIAS_WIDTH,
    SCALE_RANGE,
    SCALE_WIDTH,
    FloatFormat,
    parse_operand,
)
from hfp8_hw.golden import decode, quantize
from rtl_gen.package import Package

from . import code_classes
from .edges import edge_codes

_COUNT = 1 << 13
"""Tuples of operands for each operand that is solved for."""

Operands = dict[str, tuple[FloatFormat, ...]]


def solved(
    package: Package, operands: Operands, rng: np.random.Generator
) -> NDArray[np.int64] | None:
    """Operands of sums, products and updates whose result is near an edge of its format: all but
    one at random, that one from the wanted result. None for other units."""
    unit = package.manifest["unit"]
    if unit not in ("fp_add", "fp_mul", "weight_update", "sgd_update"):
        return None
    formats = [choices[0] for choices in operands.values()]
    port = next(p for p in package.manifest["ports"] if p["name"] == "o_y")
    target = parse_operand(port["format"])[0]
    with np.errstate(all="ignore"):
        if unit == "sgd_update":
            return np.concatenate([_moved(formats, target, rng) for _ in range(2)])
        if unit == "weight_update":
            # Weight + residual - update: for the residual, the update, and a residual that takes
            # back the weight.
            return np.concatenate([
                _free(1, lambda y, w, r, u: y - w + u, formats, target, rng),
                _free(2, lambda y, w, r, u: w + r - y, formats, target, rng),
                _taken_back(formats, target, rng),
            ])  # fmt: skip
        if unit == "fp_mul":
            return _free(1, lambda y, a, b: y / a, formats, target, rng)
        return _free(1, lambda y, a, b: y - a, formats, target, rng)


def _drawn(
    formats: list[FloatFormat], target: FloatFormat, rng: np.random.Generator
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float64]], NDArray[np.float64]]:
    """Codes of all operands and their values, and values that are wanted: half of the tuples mostly
    edges, half with all classes of finite codes alike."""
    classed = rng.random(_COUNT) < 0.5
    codes = []
    for fmt in formats:
        edges = np.where(rng.random(_COUNT) < 0.75, rng.choice(edge_codes(fmt), _COUNT),
                         rng.integers(0, 1 << fmt.width, _COUNT))  # fmt: skip
        codes.append(np.where(classed, _of_classes(fmt, rng, _COUNT), edges))
    values = [decode(some, fmt) for some, fmt in zip(codes, formats, strict=True)]
    wanted = np.where(
        classed, _of_classes(target, rng, _COUNT), rng.choice(edge_codes(target), _COUNT)
    )
    return codes, values, decode(wanted, target)


def _of_classes(fmt: FloatFormat, rng: np.random.Generator, shape: Any) -> NDArray[np.int64]:
    """Codes of each class of finite ones as often as of any other."""
    pairs = [pair for name, some in code_classes.ranges(fmt).items() if name not in ("inf", "nan")
             for pair in some]  # fmt: skip
    first, last = np.moveaxis(np.array(pairs)[rng.integers(len(pairs), size=shape)], -1, 0)
    return rng.integers(first, last, endpoint=True)


def _nearest(value: NDArray[np.float64], fmt: FloatFormat) -> NDArray[np.int64]:
    return quantize(np.nan_to_num(value), fmt, rounding="RNE").astype(np.int64)


def _free(
    free: int,
    solve: Callable[..., NDArray[np.float64]],
    formats: list[FloatFormat],
    target: FloatFormat,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Tuples with one operand, number ``free``, as ``solve`` says of what is wanted and the
    operands' values, or one code beside it."""
    columns, values, wanted = _drawn(formats, target, rng)
    codes = _nearest(solve(wanted, *values), formats[free])
    codes += rng.integers(-1, 2, _COUNT)
    columns[free] = np.clip(codes, 0, (1 << formats[free].width) - 1)
    return np.stack(columns, axis=1)


def _taken_back(
    formats: list[FloatFormat], target: FloatFormat, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Weight, a residual that is minus the weight, and an update that is minus what is wanted."""
    columns, values, wanted = _drawn(formats, target, rng)
    columns[1] = _nearest(-values[0], formats[1])
    free = rng.random(_COUNT) < 0.5
    columns[2] = np.where(free, columns[2], _nearest(-wanted, formats[2]))
    return np.stack(columns, axis=1)


def _moved(
    formats: list[FloatFormat], target: FloatFormat, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Weight, momentum, gradient, rate and decay of w - rate * (gradient + decay * momentum).

    Decay and momentum bring the new momentum where it is wanted, and the rate is the wanted step
    divided by that.
    """
    acc = formats[1]
    columns, values, wanted = _drawn(formats, target, rng)
    weight, _, gradient, *_ = (np.nan_to_num(v, posinf=0.0, neginf=0.0) for v in values)
    step = weight - np.nan_to_num(wanted, posinf=0.0, neginf=0.0)
    # Near the gradient, near the step (a rate about 1), or between, where what is zero is near 1;
    # not so small that no product could take back the gradient but for that.
    ends = [np.frexp(np.where(some == 0, 1.0, some))[1] - 1 for some in (gradient, step)]
    share = rng.choice([0.0, 0.5, 1.0, 1.0, 1.0], _COUNT)
    exponent = np.rint(ends[0] + (ends[1] - ends[0]) * share).astype(np.int64)
    exponent += rng.integers(-2, 3, _COUNT)
    product = rng.random(_COUNT) < 0.7
    least = ends[0] - np.where(product, 2, 1) * acc.man_bits
    exponent = np.where(gradient == 0, exponent, np.maximum(exponent, least))
    low, high = (int(np.frexp(end)[1]) - 1 for end in (acc.min, acc.max))
    new = np.ldexp(_divisors(step, acc.man_bits, rng, 0.5), np.clip(exponent, low, high))
    decay = np.where(product, _divisors(new - gradient, acc.man_bits, rng, 1.0), 1.0)
    # Both factors have significands of full length, also where their product is tiny.
    halves = np.frexp(new - gradient)[1] // 2
    near = rng.random(_COUNT) < 0.7
    decay = np.ldexp(decay, np.where(near, rng.integers(-2, 3, _COUNT), halves))
    columns[4] = _nearest(decay, acc)
    columns[1] = _nearest((new - gradient) / decay, acc)
    kept = decode(columns[1], acc) * decode(columns[4], acc)
    new = decode(_nearest(gradient + kept, acc), acc)
    codes = _nearest(np.divide(step, new, out=np.ones(_COUNT), where=new != 0), acc)
    # Beside it too, but not where that changes the sign: some formats have numbers up to the last
    # magnitude.
    mags, beside = codes & acc.mag_mask, rng.choice([-1, 0, 0, 0, 1], _COUNT)
    columns[3] = codes + np.where((mags > 0) & (mags + beside <= acc.mag_mask), beside, 0)
    return np.stack(columns, axis=1)


def _divisors(
    values: NDArray[np.float64], man_bits: int, rng: np.random.Generator, odds: float
) -> NDArray[np.float64]:
    """Significands, 1 to 2 and signed, with ``man_bits``: powers of two, or with these odds one of
    which a multiple with as many bits is nearest to the value."""
    found = np.ones(len(values))
    significands = 1 + np.arange(1 << min(man_bits, 10)) / (1 << min(man_bits, 10))
    for k in np.flatnonzero(rng.random(len(values)) < odds):
        others = np.frexp(abs(values[k]) / significands)[0] * 2.0 ** (man_bits + 1)
        errors = np.abs(np.rint(others) / others - 1) if values[k] else np.zeros(1)
        found[k] = significands[rng.choice(np.argsort(errors, kind="stable")[:4])]
    return found * rng.choice([-1.0, 1.0], len(values))


def aim(
    package: Package, operands: Operands, inputs: dict[str, Any], rng: np.random.Generator
) -> None:
    """Most scales and biases, in place: those that bring an operand beside an edge of the result's
    format."""
    target = parse_operand(package.manifest["golden"]["arguments"]["fmt"])[0]
    name, (source, *_) = next(iter(operands.items()))
    values = np.abs(decode(inputs[name], source))
    good = np.isfinite(values) & (values > 0) & (rng.random(values.shape) < 0.75)
    edges = np.where(rng.random(values.shape) < 0.5, rng.choice(edge_codes(target), values.shape),
                     _of_classes(target, rng, values.shape))  # fmt: skip
    results = np.abs(decode(edges, target))
    good &= np.isfinite(results) & (results > 0)
    wanted = np.frexp(np.where(good, results, 1))[1] - np.frexp(np.where(good, values, 1))[1]
    wanted += rng.integers(-1, 2, values.shape)
    if "i_bias" in inputs:
        low, high = RUNTIME_BIAS_RANGE
        bias = np.clip(target.bias + (0 if "i_scale" in inputs else wanted), low, high)
        if "i_scale" in inputs:
            bias = rng.integers(low, high + 1, values.shape)
        # A larger bias makes the same code worth less, and the operand larger in its units.
        wanted = wanted - (bias - target.bias)
        inputs["i_bias"] = np.where(good, bias & (1 << RUNTIME_BIAS_WIDTH) - 1, inputs["i_bias"])
    if "i_scale" in inputs:
        scale = np.clip(wanted, *SCALE_RANGE)
        inputs["i_scale"] = np.where(good, scale & (1 << SCALE_WIDTH) - 1, inputs["i_scale"])
