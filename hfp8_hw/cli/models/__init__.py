"""The commands for ONNX models: `run` runs one in 8 bits. `engines` chooses what
its jobs run on, `show` prints what came of it."""
