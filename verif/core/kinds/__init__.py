"""Kinds of programs for the core.

`mixture` makes programs that use all options, and such of large jobs; `convolutions` such with
feature maps; `edges` such whose results lie at the ends of what formats hold.
"""
