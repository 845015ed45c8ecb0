"""What ports promise: `stream_contract` of a unit's streams, `axi_contract` of a core's AXI ports.

May import what `verif.formal` may.
"""
