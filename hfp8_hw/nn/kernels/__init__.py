"""What runs on the GPU: CUDA C++, compiled at run time by NVRTC through PyTorch.

`gemm` launches ``gemm.cu``. May import `codes`, `limits` and `sums`.
"""
