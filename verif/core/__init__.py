"""The core on a simulator and as compiled code, against the golden model.

`program` is a list of jobs with their operands, what they put on the streams and what is to come
out. `run_core` runs it and holds the results against golden: on a simulator, where `bench` is the
cocotb side with AXI masters, or as code that is `compiled`. `compare_core` does so with a user's
`matrices`, cut into jobs by `tiling`, in `threads`; the room `engine` cuts an engine's jobs.
Without any run, `planned_jobs` counts the clocks of a product, and `golden_errors` has its error.
`verify_core` runs all `configurations`, each with all `kinds` of programs. Cores with a port to
memory have a room of their own, `memory`. May import `verif.simulation` and `verif.sweep`.
"""
