"""What is proved of ports for any number of clocks: `stream_contract`, of a unit's streams, and
`axi_contract`, of a core's AXI4-Streams and registers; `link_contract`, of a board's serial link.

May import `stimulus` and the rest of `formal`.
"""
