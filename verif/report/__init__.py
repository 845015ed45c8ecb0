"""Results of all commands as one page of HTML: `load` reads them, `page` draws them.

May import every room.
"""

from .load import Check, Run, load
from .page import render

__all__ = ["Check", "Run", "load", "render"]
