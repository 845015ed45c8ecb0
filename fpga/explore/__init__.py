"""Exploring the parameters of a unit or the core: area, clock, latency and numerical error of many
configurations.

`space` reads which ones, `workload` has the numbers that the error is measured on, `takes` knows
whether any point takes them, `error` measures it, `core` that of a core and its clocks, `point`
measures all of one configuration, `front` says which are not beaten, `ledger` keeps what was
measured in a file, `kept` knows rows that are none, `columns` shows them, and `run` measures what
is left on a Dask cluster.

May import what compares arrays with the golden model in `verif.simulation` and `verif.core`, and
the Dask cluster of `verif.regression`; none of them knows of synthesis.
"""
