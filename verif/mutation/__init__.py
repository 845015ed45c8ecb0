"""How good the tests are: `mutate` plants faults in a unit and counts which of them are found,
`core_faults` says of a core's.

May import every room but `coverage` and `report`.
"""
