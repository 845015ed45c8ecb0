"""Boards in simulation: the module that is put on a board, behind a serial port.

`model` compiles it by Verilator, with a UART of the host's rate at its pins; `serve` is the process
with a pseudo-terminal that ``sim://`` opens, and `line` the way to the pins in simulated time.
`faults` spoils that line and counts what comes of it. `arrays` puts a user's arrays through a
board, simulated or not, `core` matrices, and `engine` the products of a network. May import
`verif.simulation`, `verif.sweep` and `verif.core`.
"""
