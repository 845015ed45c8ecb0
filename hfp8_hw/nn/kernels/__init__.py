"""What runs on the GPU: CUDA C++, compiled at run time.

`gemm` launches ``gemm.cu``, which `nvrtc` compiles. May import `codes`, `limits` and `sums`.
"""
