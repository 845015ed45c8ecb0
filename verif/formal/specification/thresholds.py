"""An independent specification of rounding: the list of inputs at which its result steps.

Rounding is monotone, and the codes of a sign-magnitude format are in the order of its values. So
the rounding of one format to another is a list of thresholds, one for each code of the result:
the smallest input whose result is at least that code. They are found by bisection over exact
rationals (`hfp8_hw.golden.scalar`), and written as comparisons with constants. Nothing here knows
how a rounder works.
"""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from functools import cached_property

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import FloatFormat
from hfp8_hw.golden import scalar
from hfp8_hw.rounding import Rounding

MOST_STEPS = 1 << 10


class Steps:
    """The steps of one conversion without run-time bias, scale or random bits.

    Raises
    ------
    ParameterError
        For stochastic rounding, and for results of more than 2^10 magnitudes.
    """

    def __init__(
        self, src: FloatFormat, dst: FloatFormat, rounding: Rounding, overflow: str
    ) -> None:
        if rounding.mode == "SR":
            raise ParameterError(
                f"rounding={str(rounding)!r} is not allowed here: the step specification has "
                "deterministic roundings only (`hfp8 sweep` covers the others)"
            )
        if dst.max_code >= MOST_STEPS:
            raise ParameterError(
                f"format {dst} is not allowed here: the step specification has at most "
                f"{MOST_STEPS} magnitudes (`hfp8 sweep` covers others)"
            )
        self.src, self.dst, self.rounding, self.overflow = src, dst, rounding, overflow

    def result(self, mag: int, negative: bool) -> tuple[int, int]:
        """(code, flags) of one source code, by rationals."""
        code = mag + (2 ** (self.src.exp_bits + self.src.man_bits) if negative else 0)
        value = scalar.decode(code, self.src)
        return scalar.quantize(value, self.dst, self.rounding, self.overflow)

    @cached_property
    def last(self) -> int:
        """The largest finite magnitude of the source."""
        codes = range(2 ** (self.src.exp_bits + self.src.man_bits))
        special = bisect_left(
            codes, True, lo=1, key=lambda c: isinstance(scalar.decode(c, self.src), str)
        )
        return special - 1

    def over(self, negative: bool) -> int:
        """The smallest finite magnitude that overflows; ``last + 1`` if none does."""
        return bisect_left(
            range(self.last + 1), True,
            key=lambda m: bool(self.result(m, negative)[1] & scalar.OVERFLOW),
        )  # fmt: skip

    def thresholds(self, negative: bool) -> list[tuple[int, int]]:
        """(smallest magnitude, magnitude code it gives), falling, where nothing overflows."""
        found: list[tuple[int, int]] = []
        sign = 2 ** (self.dst.exp_bits + self.dst.man_bits)
        # Where -0 would be, some formats have NaN; that code is a special one.
        minus_zero = scalar.decode(2 ** (self.src.exp_bits + self.src.man_bits), self.src)
        position, top = int(negative and minus_zero == "nan"), self.over(negative)
        while position < top:
            code = self.result(position, negative)[0] % sign
            found.append((position, code))
            position = bisect_left(
                range(top), code + 1, lo=position,
                key=lambda m: self.result(m, negative)[0] % sign,
            )  # fmt: skip
        return found[::-1]

    def exact(self) -> list[int]:
        """Source magnitudes whose value the result's format has."""
        found = []
        codes = range(self.last + 1)
        for code in range(self.dst.max_code + 1):
            value = scalar.magnitude(code, self.dst)
            at = bisect_left(codes, value, key=lambda m: scalar.magnitude(m, self.src))
            if at <= self.last and scalar.magnitude(at, self.src) == value:
                found.append(at)
        # In `flush` formats all codes of the lowest exponent are zeros.
        zeros = [m for m in range(2**self.src.man_bits) if self.src.zero_exp == "flush"]
        return sorted({*found, *zeros}) if len(zeros) <= MOST_STEPS else sorted(set(found))

    def tiny(self) -> int:
        """The smallest magnitude that is not below the smallest normal value."""
        smallest = Fraction(2) ** (1 - self.dst.bias)
        if self.dst.zero_exp == "normal":
            smallest = scalar.magnitude(1, self.dst)
        return bisect_left(
            range(self.last + 1), smallest, key=lambda m: scalar.magnitude(m, self.src)
        )


def _specials(src: FloatFormat) -> list[tuple[str, int, bool]]:
    """(condition on x, a magnitude that stands for it, its sign), in order of precedence."""
    width = src.width
    ones, sign = 2 ** (width - 1) - 1, 2 ** (width - 1)
    exp_ones = (2**src.exp_bits - 1) * 2**src.man_bits
    match src.specials:
        case "ieee":
            inf = f"m == {width - 1}'d{exp_ones}"
            return [
                (f"m > {width - 1}'d{exp_ones}", exp_ones + 1, False),
                (f"{inf} && !s", exp_ones, False),
                (f"{inf} && s", exp_ones, True),
            ]
        case "fn" | "dl":
            return [(f"m == {width - 1}'d{ones}", ones, False)]
        case "fnuz":
            return [(f"x == {width}'d{sign}", 0, True)]
        case "p3109":
            return [
                (f"x == {width}'d{sign}", 0, True),
                (f"m == {width - 1}'d{ones} && !s", ones, False),
                (f"m == {width - 1}'d{ones} && s", ones, True),
            ]
    return []


def _tree(steps: list[tuple[int, int]], width: int, result: int) -> str:
    """Balanced comparisons: the code of the first step that m reaches; steps fall."""
    if len(steps) == 1:
        return f"{result}'d{steps[0][1]}"
    middle = len(steps) // 2
    limit = steps[middle - 1][0]
    high, low = _tree(steps[:middle], width, result), _tree(steps[middle:], width, result)
    return f"(m >= {width}'d{limit} ? {high} : {low})"


def specification(
    src: FloatFormat, dst: FloatFormat, rounding: Rounding, overflow: str, name: str = "spec"
) -> str:
    """The Verilog of a combinational module: input ``x``, outputs ``y`` and ``flags``."""
    steps = Steps(src, dst, rounding, overflow)
    width, result = src.width - 1, dst.width - 1
    mags = {}
    overs = {}
    for negative in (False, True):
        fall = steps.thresholds(negative)
        mags[negative] = _tree(fall, width, result)
        over = steps.over(negative)
        if over <= steps.last:
            code, flags = steps.result(over, negative)
            overs[negative] = (over, code, flags)
    exact = " || ".join(f"m == {width}'d{m}" for m in steps.exact()) or "1'b0"
    sign = "s" if dst.specials not in ("fnuz", "p3109") else f"(s && mag != {result}'d0)"
    lines = [
        f"module {name}(input [{src.width - 1}:0] x, output [{dst.width - 1}:0] y, "
        "output [3:0] flags);",
        f"  wire s = x[{width}];",
        f"  wire [{width - 1}:0] m = x[{width - 1}:0];",
        f"  wire [{result - 1}:0] mag = s ? {mags[True]} : {mags[False]};",
        f"  wire exact = {exact};",
        f"  wire tiny = !exact && m < {width}'d{steps.tiny()};",
        f"  wire [{dst.width + 3}:0] word =",
    ]
    for condition, mag, negative in _specials(src):
        code, flags = steps.result(mag, negative)
        lines.append(f"    {condition} ? {{4'd{flags}, {dst.width}'d{code}}} :")
    for negative, (over, code, flags) in overs.items():
        which = "s" if negative else "!s"
        lines.append(f"    {which} && m >= {width}'d{over} ? {{4'd{flags}, {dst.width}'d{code}}} :")
    lines += [
        f"    {{1'b0, !exact, tiny, 1'b0, {sign}, mag}};",
        "  assign {flags, y} = word;",
        "endmodule",
        "",
    ]
    return "\n".join(lines)
