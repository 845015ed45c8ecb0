"""Training runs of the tasks in an arithmetic, with the same bits each time.

`job` says what a run is and `setup` makes its model and optimizer; `loop` runs it, `checkpoint`
keeps where it is, `results` has the rows of a file of results, and `batch`
runs many. `workers` shares a run among processes.
"""
