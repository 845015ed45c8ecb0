"""Running a unit on Icarus and Verilator under cocotb.

`simulate` is the one way to run a simulator: one of the `simulators` that are installed, with the
`harness` around the unit, the cocotb `bench`, and an `object_cache` that makes builds quick.
On top of it: `verify` (our vectors, for all `configurations`), and `compare`, `user_arrays` and
`run_arrays` (the user's tensors). `code_coverage` reads what Verilator counted;
`golden_columns` lists transfers with what the golden model has for them. May import `stimulus`.
"""
