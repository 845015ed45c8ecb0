"""What to drive into a unit, and what must come out.

`ports` reads a manifest's ports. `vectors` makes the test vectors of a unit, from `edges` of its
formats, `code_classes` and `operands_for_result`. Those of sums come from `aimed_sums`,
`edge_sums`, `chunk_edges`, `sum_events`; `sum_bounds` tells how large and small sums get.
`input_space` enumerates whole input spaces, and `reference` asks the golden model.
Imports no other room.
"""
