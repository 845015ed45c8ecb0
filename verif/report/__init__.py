"""Results of all commands as one page of HTML: `load` reads them, `page` draws them. `run_page`
draws a run of an ONNX model, with the charts of `charts`, and `explore_page` an exploration.

May import every room.
"""

from .explore_page import render_exploration
from .load import Check, Run, load
from .page import render
from .run_page import render_run

__all__ = ["Check", "Run", "load", "render", "render_exploration", "render_run"]
