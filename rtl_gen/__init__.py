"""From unit parameters to a Verilog package: module, manifest and FuseSoC core."""
