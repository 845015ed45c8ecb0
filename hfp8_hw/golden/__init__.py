"""The golden model: what every unit computes, bit for bit, in NumPy.

`scalar` is a second model of the same contract in exact rationals, for checking this one.
"""

from .convert import decode, quantize
from .dot import SEMANTICS, dot, fixed_dot, fma, matmul
from .elementwise import add, maximum, relu
from .multiply import mul
from .random import xorshift32
from .scaling import loss_scale
from .to_fixed import to_fixed
from .track import quantize_tracked
from .update import sgd_update, weight_update

__all__ = [
    "SEMANTICS",
    "add",
    "decode",
    "dot",
    "fixed_dot",
    "fma",
    "loss_scale",
    "matmul",
    "maximum",
    "mul",
    "quantize",
    "quantize_tracked",
    "relu",
    "sgd_update",
    "to_fixed",
    "weight_update",
    "xorshift32",
]
