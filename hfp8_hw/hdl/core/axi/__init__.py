"""The core's AXI ports: `axi_lite` is a port with registers behind it, `control` the core's own
registers, `axi_core` the core with both and its streams. May import `core` and all below it."""
