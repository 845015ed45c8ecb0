"""What becomes of results between the array and the output stream.

`path` puts the steps together: `quantize` is scale, ReLU, the result's format and the largest
magnitude. No clock stops any of them. `jobs` tells a step what the job of its results asks for.
"""
