"""Products whose results can stay on a core, as operands of the next product.

`bias` says which biases a core's epilogue can add, and has their codes; `boundaries` looks at what
is between products, and says why results have to go through the host where they do; `build` makes
the jobs for an engine of products that follow each other, and `linked` has it do them in a run.
"""
