"""Simulation of generated units on Icarus and Verilator, checked against the golden model."""
