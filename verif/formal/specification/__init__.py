"""What a unit's arithmetic must be, for proofs; it shares no code with golden or hardware.

`unit_arithmetic` puts integers together in Verilog, `thresholds` lists the inputs at which a
rounded result steps. Imports no room.
"""
