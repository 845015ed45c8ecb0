"""Faster ways to the same results, each with the condition for it beside it.

`lookup` rounds float32 by a table, `gemm` multiplies matrices in binary32, `wide` in binary64,
`windows` convolves without unfolding, `jit` has numba's other kernels. May import `codes` and
`steps`.
"""
