"""The core as compiled code.

`native` builds Verilator's C++ of a generated core and drives its ports; `native_run` runs programs
on it; `utilisation` counts how busy its array is. `engine` has jobs of any size computed by it.
"""
