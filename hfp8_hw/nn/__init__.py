"""The PyTorch twin: what golden computes in NumPy, on tensors, bit for bit.

Needs PyTorch (the extra ``train``). `codes` holds codes in tensors and `convert` rounds values to
them; `sums` is the accumulator's rounding, `limits` says where the quick ways of it are exact;
`matmul` multiplies matrices of codes and `update` moves weights and the loss scale. `kernels` has
the GPU's programs, `bench` checks and times them. May import `formats` and `golden`.

Codes of up to 8 bits are ``uint8`` tensors. Codes of up to 16 bits are ``int16`` tensors with the
same bits, as PyTorch has next to no arithmetic on ``uint16``.
"""

from .codes import decode, from_numpy, to_numpy
from .convert import quantize
from .matmul import matmul
from .update import add, loss_scale, weight_update

__all__ = [
    "add",
    "decode",
    "from_numpy",
    "loss_scale",
    "matmul",
    "quantize",
    "to_numpy",
    "weight_update",
]
