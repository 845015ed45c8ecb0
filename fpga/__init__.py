"""FPGA flows: what the open synthesis tools say about a generated unit."""
