"""Checking the generated units: simulation, sweeps, proofs, planted faults, coverage, reports.

A room imports only from rooms further to the left, and from itself:
stimulus <- simulation <- sweep, regression, demo <- board, formal <- coverage, mutation <- report.
`errors` serves them all.
"""
