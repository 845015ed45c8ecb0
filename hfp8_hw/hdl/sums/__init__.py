"""Running sums, exact and rounded.

Fixed point: `scaled` operands, set on the grid by `align`, summed up by `exact_products` and
`fixed_sum`, rounded by the bit-serial `serial_rounder` (`bit_serial`), or normalised
(`normalise`) and rounded a sum a clock by the `pipelined_rounder`. Floating point: sums that
take turns in a `ring`, each an `interleaved_sum` around a `held_code`. May import `numbers`.
"""
