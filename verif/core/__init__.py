"""The core on a simulator, against the golden model.

`program` is a list of jobs with their operands, what they put on the streams and what is to come
out. `run_core` builds the simulation and holds the results against golden; `bench` is the cocotb
side, with AXI masters; `mixture` makes programs that use all options. May import
`verif.simulation`.
"""
