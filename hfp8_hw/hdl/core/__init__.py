"""The GEMM core: an array of exact sums in lock-step, from scratchpads to a stream of results.

`loader` fills a `scratchpad`, `sequencer` walks through the tiles of a job, an `element` sums up
products, `drain` rounds what the array has finished. `gemm_core` puts them together.
May import `numbers`, `sums` and `units`.
"""

from .gemm_core import GemmCore

__all__ = ["GemmCore"]
