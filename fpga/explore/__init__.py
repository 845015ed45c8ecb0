"""Exploring a unit's parameters: area, clock, latency and numerical error of many configurations.

`space` reads which ones, `workload` has the numbers that the error is measured on, `error` measures
it, `point` measures all of one configuration, `front` says which are not beaten, `ledger` keeps
what was measured in a file, `kept` knows rows that are none, and
`run` measures what is left on a Dask cluster.

May import what compares arrays with the golden model in `verif.simulation`, and the Dask cluster of
`verif.regression`; neither knows of synthesis.
"""
