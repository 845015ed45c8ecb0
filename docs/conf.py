"""The documentation as a site: `make docs`."""

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
suppress_warnings = ["myst.header"]  # Generated pages of units start at the second level.

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # The docstrings give types in words.
autodoc_default_options = {"members": True}
default_role = "py:obj"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_custom_sections = [("Members", "params_style")]

html_theme = "furo"
html_title = f"hfp8-hw {version}"
html_copy_source = False
html_show_sphinx = False
