"""What a generated core gives to those who program it: its registers in other languages.

`c_header` for C and C++, `systemrdl` for register tools. Both are written from
`hfp8_hw.registers`, the table that the hardware is made from.
May import `hfp8_hw.registers` and `hfp8_hw.jobs`.
"""
