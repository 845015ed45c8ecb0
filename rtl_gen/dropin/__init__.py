"""What makes a unit drop into a design: AXI4-Stream names, other resets, VHDL, vectors.

`axis` writes the wrapper with AXI4-Stream names, `vhdl` its component, and `vivado` the script that
packages it. `testbench` writes golden vectors and a testbench that needs no Python. May import
`rtl_gen.package` and what it may.
"""
