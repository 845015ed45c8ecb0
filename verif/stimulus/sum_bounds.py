"""How large a sum of a reasonable number of products gets, rounded after each addition, and how
small any.

A wide accumulator is never filled: its logic for overflow is there, and can only be reached by
sums longer than any that is used. Coverage leaves out what takes more than `PRODUCTS`.
"""

from __future__ import annotations

import math

from hfp8_hw.formats import RUNTIME_BIAS_RANGE, parse_format, parse_operand
from hfp8_hw.rounding import parse_rounding
from rtl_gen.package import Package

PRODUCTS = 1 << 15
"""Products of the longest sum that coverage asks for."""


def grown(step: float, count: int, man_bits: int, mode: str, least: float = 0.0) -> float:
    """A bound of the magnitude of ``count`` numbers of at most ``step``, summed with rounding; of
    multiples of ``least``, if that is not 0.

    Nothing is rounded as long as the sum has at most ``man_bits + 1`` bits. Rounded to nearest or
    towards zero, a sum stays at the power of 2 whose half unit in the last place is more than
    ``step``. Rounded away from zero, each addition beyond ``2**(man_bits + 1) * step`` adds at most
    one unit in the last place, so ``2**man_bits`` of them at least double it once.
    """
    exact, units = count * step, 1 << man_bits
    if exact <= 2 * units * least:
        return exact
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

    least = smallest(package)

    def total(one: float, count: int) -> float:
        return grown(one, count, acc.man_bits, mode, least)

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
