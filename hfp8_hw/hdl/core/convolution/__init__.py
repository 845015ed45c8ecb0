"""How a job takes a feature map as the windows of a kernel, without a copy of them.

`plan` counts out, before a job begins, how far it is from one window or tap to the next; `window`
walks by these through the stored map, and says which columns of a tile are inside of it.
"""
