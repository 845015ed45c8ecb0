"""The golden model: what every unit computes, bit for bit, in NumPy.

`scalar` is a second model of the same contract in exact rationals, for checking this one.
"""

from .convert import decode, quantize
from .dot import SEMANTICS, dot, fma, matmul
from .multiply import mul

__all__ = ["SEMANTICS", "decode", "dot", "fma", "matmul", "mul", "quantize"]
