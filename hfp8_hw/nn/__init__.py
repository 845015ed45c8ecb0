"""The PyTorch twin: what golden computes in NumPy, on tensors, bit for bit.

Needs PyTorch (the extra ``train``). `codes` holds codes in tensors and `rounding` rounds values to
them; `sums` is the accumulator's rounding, `limits` says where the quick ways of it are exact;
`matmul` multiplies matrices of codes and `update` moves weights and the loss scale. `quick` rounds
to nearest faster, `odd` sums for a second rounding. `kernels` has the GPU's programs, `bench`
checks and times them; `programs` has what programs share. `scheme` trains networks with all that,
`distributed` by several workers; `tasks` are the data and models of the results, `training` runs
them, `deployment` has FP32 models compute in other arithmetics. May import `formats` and `golden`.

Codes of up to 8 bits are ``uint8`` tensors. Codes of up to 16 bits are ``int16`` tensors with the
same bits, as PyTorch has next to no arithmetic on ``uint16``.
"""

from .codes import decode, from_numpy, to_numpy
from .matmul import matmul
from .rounding import quantize
from .scheme import (
    HFP8SGD,
    Arithmetic,
    Conversion,
    HFP8Adam,
    LossScaler,
    arithmetic,
    convert,
)
from .update import add, fma, loss_scale, sgd_update, weight_update

__all__ = [
    "HFP8SGD",
    "Arithmetic",
    "Conversion",
    "HFP8Adam",
    "LossScaler",
    "add",
    "arithmetic",
    "convert",
    "decode",
    "fma",
    "from_numpy",
    "loss_scale",
    "matmul",
    "quantize",
    "sgd_update",
    "to_numpy",
    "weight_update",
]
