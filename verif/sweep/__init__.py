"""Whole input spaces and very many samples, through compiled models.

`sweep` drives a unit as a `compiled_model` (CXXRTL) or, without a state, as a `bitsliced_unit`:
`bitsliced_gates`, 512 inputs at once. `input_slices` counts through all inputs of a claim.
`native_arrays` puts a user's arrays through a model. `cxx_compiler` builds them,
`configurations` lists what is swept by default.
May import `stimulus` and `simulation`.
"""
