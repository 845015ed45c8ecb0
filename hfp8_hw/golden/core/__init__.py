"""What the core computes: `gemm` has its job on NumPy arrays, `epilogue` what follows the sums."""

from .epilogue import gemm_rbits
from .gemm import gemm_job

__all__ = ["gemm_job", "gemm_rbits"]
