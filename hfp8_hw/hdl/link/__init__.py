"""The serial link of a board, and what it drives.

`uart` makes bytes of a pin and a pin of bytes; `receiver` makes checked frames of bytes, `sender`
frames of bytes to send; `dispatcher` does what a frame asks for. `target` puts a unit behind
streams of whole records, `core_target` a core. `top` joins them: the module that is put on a board.

May import `hfp8_hw.hdl.numbers` and `hfp8_hw.hdl.core`; the unit is given.
"""
