"""The GEMM core in simulation.

`bench` is the cocotb side: AXI masters that bring jobs and operands and collect results. `jobs` has
jobs with operands and what golden gives for them; `run` builds the core, runs the bench and
compares. May import `stimulus` and `simulation`.
"""
