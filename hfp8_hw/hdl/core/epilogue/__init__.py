"""What becomes of results between the array and the output stream.

`path` puts the steps together: `addends` brings what C held before and `bias` the biases, both
added by `add_codes`; `quantize` is scale, ReLU, the result's format and the largest magnitude. No
clock stops any of them. `jobs` tells a step what the job of its results asks for, `walk` which of
them there are; `keep` writes them into a page of the scratchpad.
"""
