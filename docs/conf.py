"""The documentation as a site: `make docs`."""

from __future__ import annotations

import inspect
from typing import Any

from hfp8_hw import __version__

project = "hfp8-hw"
author = "the hfp8-hw contributors"
copyright = "the hfp8-hw contributors, Apache-2.0"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "results", "examples/*/build"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # The docstrings give types in words.
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_custom_sections = [("Members", "params_style")]

html_theme = "furo"
html_title = f"hfp8-hw {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sphinx = False


def component_signature(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Amaranth's metaclass hides what a component is made from."""
    if what != "class" or not name.startswith("hfp8_hw.hdl."):
        return None
    names = [str(p).split(":")[0] for p in inspect.signature(obj.__init__).parameters.values()]
    return f"({', '.join(names[1:])})", ""


def joined_lines(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put a member's type that goes on in the next line into one line, as napoleon wants it."""
    k = 0
    while k + 1 < len(lines):
        if lines[k].rstrip().endswith(",") and " : " in lines[k] and lines[k + 1].startswith(" "):
            lines[k] = f"{lines[k].rstrip()} {lines.pop(k + 1).strip()}"
        else:
            k += 1


def setup(app: Any) -> None:
    """Connect the two."""
    app.connect("autodoc-process-signature", component_signature)
    app.connect("autodoc-process-docstring", joined_lines, priority=100)
