"""What runs on the GPU: CUDA C++, compiled at run time.

`launch` runs the kernels, which `nvrtc` compiles. `gemm` multiplies codes of 8 bits: by those of
``rounded.cu``, with ``operand.cu`` and ``join.cu``, as `plan` shares out their work, and by those
of ``exact.cu``. `wide` multiplies DLFLOAT16 codes (``wide.cu``). `elementwise` rounds and decodes
each element of a tensor (``elementwise.cu``). May import `codes`, `limits` and `sums`; these import
`elementwise`.
"""
