"""Bitstreams for boards, by open tools.

`catalogue` has the boards; `on_board` joins a generated module with a board's clock, reset, UART
and light; `clocks` makes other clocks, as `hfp8_hw.pll` computes them; `build` runs Yosys,
 nextpnr and the packer, and says what they found; `fill` looks for the largest core that a
board holds, and `tries` is what it asks the tools for; `vivado` writes a project where there is no
open place-and-route; `figures` measures every board for the documents.
"""
