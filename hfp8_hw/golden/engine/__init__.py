"""The one seam for everything that computes products: `jobs` has the job and the `Engine` that
takes it, `unfold` makes the matrix of a convolution, `golden_engine` is the golden model as an
engine, in as many threads as there are cores, `checked` compares another engine with it.

May import what golden may.
"""

from .checked import CheckedEngine
from .golden_engine import GoldenEngine
from .jobs import Engine, ProductJob, Sums, Windows

__all__ = ["CheckedEngine", "Engine", "GoldenEngine", "ProductJob", "Sums", "Windows"]
