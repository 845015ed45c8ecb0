"""Tests of the PyTorch twin, run by ``make test-train``."""
