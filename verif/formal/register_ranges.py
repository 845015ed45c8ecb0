"""What registers with codes of an accumulator hold, as far as `verif.stimulus.sum_bounds` tells."""

from __future__ import annotations

import math
import re

from hfp8_hw.formats import FloatFormat, parse_format, parse_operand
from hfp8_hw.rounding import parse_rounding
from rtl_gen.package import Package

from ..stimulus.sum_bounds import largest, smallest

_REGISTER = r"(?!held_)(?:o_y(?:_held)?|(?:\w+_)?(?:code|total|first)|part)"
"""Names of what holds a code of the accumulator's format; ``held_total`` is in fixed point, however
wide it is."""


_TURNS = {"RTZ": "", "RDN": " || {sign}", "RUP": " || !{sign}"}
"""By rounding: where a sum that overflows may be infinite."""


def named(package: Package) -> list[str]:
    """Registers with codes of the accumulator's format, those of units that sum products."""
    manifest = package.manifest
    name = manifest["golden"]["arguments"].get("acc", "fixed")
    if manifest["golden"]["sum"] is None or name == "fixed":
        return []
    top = parse_format(name, "acc").width - 1
    return list(dict.fromkeys(re.findall(rf"\[{top}:0\] ({_REGISTER})\b", package.verilog)))


def likely(package: Package) -> list[str]:
    """Verilog conditions that should hold of the exact sum of an item's products, once it is
    normalised (``dotN``): a multiple of the smallest step, not above the largest sum, and 0 only
    without a leading bit."""
    text = package.verilog
    exp = re.search(r"reg \[(\d+):0\] (normalised_exp);", text)
    parts = re.findall(r"reg (?:\[(\d+):0\] )?(normalised_sig(?:_bit(\d+)|_\d+to(\d+))?);", text)
    if package.manifest["parameters"].get("semantics") != "dotN" or exp is None or not parts:
        return []
    # Yosys cuts the significand where bits are the same; the parts' names tell which they are.
    bits = []
    for top, name, *_ in sorted(parts, key=lambda part: int(part[2] or part[3] or 0)):
        bits += [f"{name}[{k}]" for k in range(int(top) + 1)] if top else [name]
    value, lowest = f"$signed({exp[2]})", round(math.log2(smallest(package))) + len(bits) - 1
    most = 1 << int(exp[1])
    least = [(bit, lowest - k) for k, bit in enumerate(bits) if lowest - k < most]
    found = [f"!{bit} || {value} >= {bound}" for bit, bound in least]
    found += [f"{bits[-1]} || !{bit}" for bit in bits[:-1]]
    for bound in range(most - 1):
        found += [f"!{bits[-1]} || {value} <= {bound}", f"{value} <= {bound}"]
    return found


def assumed(package: Package) -> list[str]:
    """Verilog conditions: registers of the accumulator's format hold no larger number, none between
    0 and the smallest step, and multiples of that, unless they may be of smaller numbers."""
    manifest, found = package.manifest, named(package)
    if not found:
        return []
    acc = parse_format(manifest["golden"]["arguments"]["acc"], "acc")
    bound, step = largest(package), smallest(package)
    least = acc.min_code if step <= acc.min else _above(acc, step)
    most = acc.max_code if bound >= acc.max else _above(acc, bound)
    # What comes of infinities and NaN: without them, nothing that does not overflow.
    operands = [f for key in ("a", "b") for f in parse_operand(manifest["parameters"][key])]
    mode = parse_rounding(manifest["parameters"]["rounding"]).mode
    special = any(fmt.has_inf or fmt.has_nan for fmt in operands)
    texts = []
    for net in found:
        code = f"{net}[{acc.width - 2}:0]"
        if most < acc.max_code:
            texts.append(f"{code} <= {most}" + (f" || {code} > {acc.max_code}" if special else ""))
        # No sum is rounded to an infinity that the mode turns away from.
        if acc.has_inf and mode in _TURNS and not any(fmt.has_inf for fmt in operands):
            unless = _TURNS[mode].format(sign=f"{net}[{acc.width - 1}]")
            texts.append(f"{code} != {acc.inf_code}{unless}")
        if least > acc.min_code:
            texts.append(f"{code} < {acc.min_code} || {code} >= {least}")
        # Else what is rounded up to the smallest number may be no multiple.
        if step > acc.min or math.fmod(acc.min, step) == 0:
            field = f"{net}[{acc.width - 2}:{acc.man_bits}]"
            texts += [f"!{net}[{bit}] || {field} >= {lowest}"
                      for bit, lowest in _fields(acc, step)]  # fmt: skip
    return texts


def _fields(acc: FloatFormat, step: float) -> list[tuple[int, int]]:
    """For bits of the significand, the lowest exponent field with which they are no less than
    ``step``, a power of 2, where there is one."""
    top = acc.max_code >> acc.man_bits
    lowest = 0 if acc.zero_exp == "normal" else 1  # Subnormals have the exponent of field 1.
    found = []
    for bit in range(acc.man_bits):
        field = round(math.log2(step)) + acc.bias + acc.man_bits - bit
        if lowest < field <= top:
            found.append((bit, field))
    return found


def _above(acc: FloatFormat, bound: float) -> int:
    """The magnitude of the smallest number that is at least ``bound``."""
    low, high = 0, acc.max_code
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if acc.value(middle) >= bound else (middle + 1, high)
    return low
