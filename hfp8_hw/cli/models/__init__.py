"""The commands for ONNX models: `run` runs one in 8 bits, `retune` fits its statistics or biases to
them, `scores` scores those that we have data for. `arithmetic` has the options of `run` and
`retune`, `engines` chooses what jobs run on, `show` prints what came of it."""
