"""The commands that measure: speed of the golden model, area and clock of units, the core, a
network on a simulated board."""
