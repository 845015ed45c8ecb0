"""The commands for ONNX models: `run` runs one in 8 bits, `retune` moves its biases for that, `scores`
scores those that we have data for. `engines` chooses what jobs run on, `show` prints what came of a
run."""
