"""The core as a master of AXI4: it fetches operands from memory and writes results back.

`memory_core` puts it together. `dispatch` gives each job to the core, and what it needs of memory
to the parts that get it: `fetch` reads one operand, in bursts that `read_channel` sends off in
turn, and `store` writes the results. `size` counts how much there is to read, `gearbox` is between
the beats of the core and the words of the bus, and `bus` says what goes between all these.
"""
