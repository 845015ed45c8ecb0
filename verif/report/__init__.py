"""Results of all commands as one page of HTML: `load` reads them, `page` draws them. `run_page`
draws a run of an ONNX model, with the charts of `charts`.

May import every room.
"""

from .load import Check, Run, load
from .page import render
from .run_page import render_run

__all__ = ["Check", "Run", "load", "render", "render_run"]
