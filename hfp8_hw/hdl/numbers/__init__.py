"""Numbers and pipelines, the parts of all units.

`shape` carries a format, `raw` is the unpacked number between parts; `unpack`, `multiply`, `add`
and the one rounder `round` (with `exponent`) work on it, `adjust` does what needs no rounding.
`pipeline` and `stream_unit` are what units are built in, `xorshift` makes random bits,
`running_max` keeps the largest magnitude. Imports no other room.
"""
