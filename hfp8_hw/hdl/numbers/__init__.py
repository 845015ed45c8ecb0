"""Numbers and pipelines, the parts of all units.

`shape` carries a format, `raw` is the unpacked number between parts; `unpack`, `multiply`, `add`
and the one rounder `round` (with `exponent`) work on it. `generated` and `stream_unit` are what
all classes of units are made from, `pipeline` cuts them into stages; `xorshift` makes random bits,
`running_max` keeps the largest magnitude.
Imports no other room.
"""
