"""The commands that check units.

`verify` simulates, `sweep` runs compiled models, `prove` proves, `mutate` plants faults, `cover`
measures coverage and `regress` runs all that at random; `report` makes a page of their results.
"""
