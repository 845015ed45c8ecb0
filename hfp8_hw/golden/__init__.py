"""The golden model: what every unit computes, bit for bit, in NumPy.

`convert` rounds and decodes, `multiply`, `dot` and `fixed_dot` have products and their sums,
`steps` an accumulator's steps. `elementwise`, `to_fixed`, `track`, `update` and `scaling` are the
other units, `random` their generators; `gemm` is the core's job. `scalar` is a second model of the
same contract in exact rationals, for checking this one. `codes` has what all share, `fast` the
faster ways.
"""

from .convert import decode, quantize
from .core import gemm_job, gemm_rbits, stored_kernel, stored_map
from .dot import SEMANTICS, dot, fma, matmul
from .elementwise import add, maximum, relu
from .fixed_dot import fixed_dot
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
    "gemm_job",
    "gemm_rbits",
    "loss_scale",
    "matmul",
    "maximum",
    "mul",
    "quantize",
    "quantize_tracked",
    "relu",
    "sgd_update",
    "stored_kernel",
    "stored_map",
    "to_fixed",
    "weight_update",
    "xorshift32",
]
