"""Jobs of an engine on a core.

`pieces` cuts a product of any size into jobs that the core's pages hold, `chains` does so with
products whose results stay in the pages. `cut_engine` is what engines share, whatever the core runs
on.
"""
