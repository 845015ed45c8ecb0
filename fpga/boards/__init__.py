"""Bitstreams for boards, by open tools.

`catalogue` has the boards; `on_board` joins a generated module with a board's clock, reset, UART
and light; `build` runs Yosys, nextpnr and the packer, and says what they found; `fill` looks for
the largest core that a board holds, and `tries` is what it asks the tools for; `figures` measures
every board for the documents.
"""
