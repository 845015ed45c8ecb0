"""The ``hfp8`` command."""

from .main import main

__all__ = ["main"]
