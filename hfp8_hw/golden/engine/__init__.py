"""The one seam for everything that computes products: `jobs` has the job and the `Engine` that
takes it, `unfold` makes the matrix of a convolution, `golden_engine` is the golden model as an
engine, in as many threads as there are cores.

May import what golden may.
"""

from .golden_engine import GoldenEngine
from .jobs import Engine, ProductJob, Sums, Windows

__all__ = ["Engine", "GoldenEngine", "ProductJob", "Sums", "Windows"]
