"""HFP8 training: ordinary PyTorch models in the arithmetic of the hardware.

`arithmetic` says which numbers a network computes in. `operands` rounds tensors to codes,
`products` multiplies them, `functions` and `convolution` make that differentiable. `layers`,
`recurrent` and `attention` have the modules,
`conversion` puts them into a model. `optimizers` keeps weights as codes, `random` has the words of
their stochastic rounding, `scaler` scales the loss.
"""

from .arithmetic import Arithmetic, arithmetic
from .attention import attention, softmax
from .conversion import Conversion, convert
from .functions import matmul
from .optimizers import HFP8SGD, HFP8Adam
from .scaler import LossScaler

__all__ = [
    "HFP8SGD",
    "Arithmetic",
    "Conversion",
    "HFP8Adam",
    "LossScaler",
    "arithmetic",
    "attention",
    "convert",
    "matmul",
    "softmax",
]
