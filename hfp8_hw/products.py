"""Which format holds every product of two operands exactly."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import ParameterError
from .formats import RUNTIME_BIAS_RANGE, FloatFormat


def exponent_range(fmt: FloatFormat, runtime_bias: bool = False) -> tuple[int, int]:
    """The least and the greatest ``floor(log2(abs(x)))`` over the finite nonzero values."""
    lowest_field = {"gradual": 1 - fmt.man_bits, "normal": 0, "flush": 1}[fmt.zero_exp]
    highest_field = fmt.max_code >> fmt.man_bits
    low_bias, high_bias = RUNTIME_BIAS_RANGE if runtime_bias else (fmt.bias, fmt.bias)
    return lowest_field - high_bias, highest_field - low_bias


def product_format(
    a: Sequence[FloatFormat], b: Sequence[FloatFormat], runtime_bias: bool = False
) -> FloatFormat:
    """The smallest format, without subnormals, that holds every product of the operands exactly.

    Parameters
    ----------
    a, b : sequence of FloatFormat
        The formats each operand may be in.
    runtime_bias : bool
        Whether the operands' biases are run-time inputs.

    Returns
    -------
    FloatFormat
        ``ieee`` specials if an operand has NaN or Inf, else ``none``; exponent field 0 holds
        nothing but zero (``flush``). A product is normalised, so it has M_a + M_b + 1 mantissa
        bits.

    Raises
    ------
    ParameterError
        If that needs more than 8 exponent or 23 mantissa bits.
    """
    man_bits = max(f.man_bits for f in a) + max(f.man_bits for f in b) + 1
    ranges_a = [exponent_range(f, runtime_bias) for f in a]
    ranges_b = [exponent_range(f, runtime_bias) for f in b]
    low = min(r[0] for r in ranges_a) + min(r[0] for r in ranges_b)
    high = max(r[1] for r in ranges_a) + max(r[1] for r in ranges_b) + 1
    specials = "ieee" if any(f.has_nan for f in (*a, *b)) else "none"
    fields = high - low + 2 + (specials == "ieee")
    exp_bits = max(2, (fields - 1).bit_length())
    names = f"a={'/'.join(map(str, a))}, b={'/'.join(map(str, b))}"
    if exp_bits > 8 or man_bits > 23:
        raise ParameterError(
            f"out='exact' is not allowed for {names}: the product needs E{exp_bits}M{man_bits}, "
            "at most E8M23; give out, any format"
        )
    return FloatFormat(exp_bits, man_bits, 1 - low, "flush", specials)
