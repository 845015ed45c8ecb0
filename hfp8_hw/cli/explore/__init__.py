"""``hfp8 explore``: `command` measures the points of a space, `table` prints them."""
