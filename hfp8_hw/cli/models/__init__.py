"""The commands for ONNX models: `run` runs one in 8 bits."""
