"""A core with ``ports=memory`` on a simulator, against the golden model.

`placed` puts the matrices of a program into a memory. `run` builds the simulation, and holds every
byte of the memory against what golden says; `bench` is the cocotb side, with a `ram` that answers
late, and `rules` that watch the bus. May import `verif.core`.
"""
