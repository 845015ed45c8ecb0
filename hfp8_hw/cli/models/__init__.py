"""The commands for ONNX models: `run` runs one in 8 bits, `scores` those that we have data for."""
