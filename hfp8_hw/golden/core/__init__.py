"""What the core computes: `gemm` has its job on NumPy arrays, `epilogue` what follows the
sums, `windows` the sums of a convolution."""

from .epilogue import gemm_rbits
from .gemm import gemm_job
from .windows import stored_kernel, stored_map

__all__ = ["gemm_job", "gemm_rbits", "stored_kernel", "stored_map"]
