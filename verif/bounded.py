"""How large a sum of a reasonable number of products gets, rounded after each addition, and how
small any.

A wide accumulator is never filled: its logic for overflow is there, and can only be reached by
sums longer than any that is used. Coverage leaves out what takes more than `PRODUCTS`.
"""

from __future__ import annotations

import math
import re

from hfp8_hw.formats import RUNTIME_BIAS_RANGE, FloatFormat, parse_format, parse_operand
from hfp8_hw.rounding import parse_rounding
from rtl_gen.package import Package

PRODUCTS = 1 << 16
"""Products of the longest sum that coverage asks for."""

_REGISTER = r"(?!held_)(?:o_y(?:_\d+)?|(?:\w+_)?(?:code|total|first)|part)"
"""Names of what holds a code of the accumulator's format; ``held_total`` is in fixed point, however
wide it is."""


def grown(step: float, count: int, man_bits: int, mode: str) -> float:
    """A bound of the magnitude of ``count`` numbers of at most ``step``, summed with rounding.

    Rounded to nearest or towards zero, a sum stays at the power of 2 whose half unit in the last
    place is more than ``step``. Rounded away from zero, each addition beyond
    ``2**(man_bits + 1) * step`` adds at most one unit in the last place, so ``2**man_bits`` of them
    at least double it once.
    """
    exact, units = count * step, 1 << man_bits
    still = 2.0 ** math.ceil(math.log2(step * units * 4))
    if mode == "RTZ":
        return min(still, exact)
    if 2 * count <= units:  # A unit in the last place is at most a step, so far.
        return 2 * exact
    if mode in ("RNE", "RNA"):
        return min(still, 2 * exact)
    return still * 2.0 ** min(1000, math.ceil(count / units) + 1)


def product(package: Package) -> float:
    """The largest magnitude of a product of finite codes."""
    parameters, found = package.manifest["parameters"], 1.0
    for name in ("a", "b"):
        formats = parse_operand(parameters[name])
        lowest = RUNTIME_BIAS_RANGE[0] if parameters["bias"] == "runtime" else None
        found *= max(f.with_bias(f.bias if lowest is None else lowest).max for f in formats)
    return found


def largest(package: Package, products: int = PRODUCTS) -> float:
    """A bound of the magnitude of a sum of at most ``products`` products of finite codes.

    Raises
    ------
    KeyError
        If the unit does not sum products.
    """
    arguments, parameters = package.manifest["golden"]["arguments"], package.manifest["parameters"]
    acc = parse_format(arguments["acc"], "acc")
    mode = parse_rounding(parameters["rounding"]).mode
    step = product(package)
    lanes = int(parameters.get("lanes", 1))
    semantics, chunk = parameters["semantics"], int(parameters.get("chunk", 1))

    def total(one: float, count: int) -> float:
        return grown(one, count, acc.man_bits, mode)

    if semantics == "exact":
        return 2 * products * step
    if semantics == "exact_chunk":
        return total(2 * chunk * lanes * step, -(-products // chunk))
    if semantics == "chunked":
        return total(total(step, chunk), -(-products // chunk))
    return total(lanes * step, -(-products // lanes))


def smallest(package: Package) -> float:
    """What every sum of products of finite codes is a multiple of: the product of the operands'
    smallest steps. Rounding to a format keeps multiples of it, or of the format's own step."""
    step, parameters = 1.0, package.manifest["parameters"]
    for name in ("a", "b"):
        highest = RUNTIME_BIAS_RANGE[1] if parameters["bias"] == "runtime" else None
        formats = [f.with_bias(f.bias if highest is None else highest)
                   for f in parse_operand(parameters[name])]  # fmt: skip
        step *= min(fmt.value(fmt.min_code + 1) - fmt.min for fmt in formats)
    return step


def assumed(package: Package) -> list[str]:
    """Verilog conditions: registers of the accumulator's format hold no larger number, and none
    between 0 and the smallest step."""
    manifest = package.manifest
    name = manifest["golden"]["arguments"].get("acc", "fixed")
    if manifest["golden"]["sum"] is None or name == "fixed":
        return []
    acc = parse_format(name, "acc")
    bound, step = largest(package), smallest(package)
    found = re.findall(rf"\[{acc.width - 1}:0\] ({_REGISTER})\b", package.verilog)
    least = acc.min_code if step <= acc.min else _above(acc, step)
    most = acc.max_code if bound >= acc.max else _above(acc, bound)
    # What comes of infinities and NaN: without them, nothing that does not overflow.
    operands = [f for key in ("a", "b") for f in parse_operand(manifest["parameters"][key])]
    special = any(fmt.has_inf or fmt.has_nan for fmt in operands)
    texts = []
    for net in dict.fromkeys(found):
        code = f"{net}[{acc.width - 2}:0]"
        if most < acc.max_code:
            texts.append(f"{code} <= {most}" + (f" || {code} > {acc.max_code}" if special else ""))
        if least > acc.min_code:
            texts.append(f"{code} < {acc.min_code} || {code} >= {least}")
    return texts


def _above(acc: FloatFormat, bound: float) -> int:
    """The magnitude of the smallest number that is at least ``bound``."""
    low, high = 0, acc.max_code
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if acc.value(middle) >= bound else (middle + 1, high)
    return low
