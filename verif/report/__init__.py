"""One page of HTML from the results of the verification commands."""

from .load import Check, Run, load
from .page import render

__all__ = ["Check", "Run", "load", "render"]
