"""The core: an array of dot products that multiplies matrices, job after job.

A job goes through `intake` (is it allowed, how large are its operands in words), `loader` (its
operands from the streams into the `scratchpad`s) and `sequencer` (the loops over tiles and k, with
an `address` for each operand). What these issue goes down the `array`, which no clock ever stops:
each of its `elements` sums products, and finished sums leave it through `drain`s with a rounder
each and, where there is one, an `epilogue`, into the queue of `results`, where a place was kept for
them when they were issued. On their way `totals` adds up the sums of chunks. `convolution` has
what walks through a feature map. `records` are the bundles of signals in between, `gemm_core` puts
all together. `axi` is what stands around it, or `memory`. May import `numbers` and `sums`.
"""
