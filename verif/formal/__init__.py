"""Proofs: for all inputs, all stalls, all resets.

`properties` lists what is proved of a unit: its ports' `contracts`, `claims` about one clock
held against a `specification`, and `sum_induction`. `prove` runs sby (with `abc_for_sby`);
`exhaustive` tries all inputs. Proofs are helped by `pipeline_induction`, `register_ranges`,
`interleaved_results`, `step_function` and `miter`. May import `stimulus`, `simulation`, `sweep`.
"""
