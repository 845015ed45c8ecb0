"""What the vectors reach, and proofs that what they do not reach cannot be.

`cover` runs a unit's vectors and counts `functional` crosses of `measures`, as `coverage.toml`
lists them, beside Verilator's lines and bits; `unreachable` proves the rest.
May import every room but `mutation` and `report`.
"""
