"""What the core computes: `gemm` has its job on NumPy arrays."""

from .gemm import gemm_job

__all__ = ["gemm_job"]
