"""Training by several workers: gradients travel as 16-bit codes, new weights as 8-bit codes.

`exchange` sends codes between workers and counts the bytes; `optimizer` moves each worker's shard
of the weights, with its residuals, and `workers` starts them and ends them all if one is lost.
`traffic` times the exchange beside all-reduces where bandwidth is limited. May import the
scheme.
"""

from .exchange import Exchange
from .optimizer import DistributedScaler, DistributedSGD
from .workers import connected, start

__all__ = ["DistributedSGD", "DistributedScaler", "Exchange", "connected", "start"]
