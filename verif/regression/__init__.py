"""Many runs at once: `worker_pool` on this machine, `dask_runs` on a Dask cluster, which
`cluster` starts or finds; `quiet` is about Ctrl-C there.

`regress.toml` is the matrix of configurations. May import `stimulus` and `simulation`.
"""
