"""Launches the kernels of ``gemm.cu``."""

from torch import Tensor

from ...formats import FloatFormat


def applies(a: FloatFormat, b: FloatFormat) -> bool:
    """Whether a kernel takes these formats: none yet."""
    return False


def matmul(
    a: Tensor, b: Tensor, fmt_a: FloatFormat, fmt_b: FloatFormat, chunk: int, exact: bool
) -> Tensor:
    """Codes of the product."""
    raise NotImplementedError
