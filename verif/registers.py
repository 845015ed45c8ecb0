"""What registers with codes of an accumulator hold, as far as `verif.bounded` tells."""

from __future__ import annotations

import math
import re

from hfp8_hw.formats import FloatFormat, parse_format, parse_operand
from rtl_gen.package import Package

from .bounded import largest, smallest

_REGISTER = r"(?!held_)(?:o_y(?:_\d+)?|(?:\w+_)?(?:code|total|first)|part)"
"""Names of what holds a code of the accumulator's format; ``held_total`` is in fixed point, however
wide it is."""


def assumed(package: Package) -> list[str]:
    """Verilog conditions: registers of the accumulator's format hold no larger number, none between
    0 and the smallest step, and multiples of that."""
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
        texts += [f"!{net}[{bit}] || {net}[{acc.width - 2}:{acc.man_bits}] >= {field}"
                  for bit, field in _fields(acc, step)]  # fmt: skip
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
