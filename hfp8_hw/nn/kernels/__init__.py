"""What runs on the GPU: CUDA C++, compiled at run time.

`gemm` launches the kernels, which `nvrtc` compiles: those of ``rounded.cu``, with ``operand.cu``
and ``join.cu``, as `plan` shares out their work, and those of ``exact.cu``. May import `codes`,
`limits` and `sums`.
"""
