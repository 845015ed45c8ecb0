"""The one seam for everything that computes products: `jobs` has the job and the `Engine` that
takes it, `unfold` makes the matrix of a convolution, `golden_engine` is the golden model as an
engine, in as many threads as there are cores, `checked` compares another engine with it. `chains`
has products whose results stay on the engine, as operands of the next.

May import what golden may.
"""

from .chains import Chain, ChainEngine, Link, Linked
from .checked import CheckedEngine
from .golden_engine import GoldenEngine
from .jobs import Engine, ProductJob, Sums, Windows

__all__ = [
    "Chain", "ChainEngine", "CheckedEngine", "Engine", "GoldenEngine", "Link", "Linked",
    "ProductJob", "Sums", "Windows",
]  # fmt: skip
