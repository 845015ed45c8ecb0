"""Codes and binary64 arrays, and the way from one to the other.

`arrays` makes arrays of arguments and `operands` checks codes, biases, modes and random bits;
`blocks` broadcasts them a block at a time. `bits` takes binary64 apart, `pack` rounds.
"""
