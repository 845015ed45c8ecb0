"""The ``hfp8`` command.

`main` is the entry, `options` what commands share and `types` the kinds of their values. `gen`
generates and lists units, `compare` runs the user's tensors (`comparisons`: in which ways), `synth`
and `bench` measure, `demo` shows it all, `train` trains networks, `deploy` has them compute in
other arithmetics, `export` writes them as ONNX files. The commands that check units are in
`checks`, those for ONNX models in `models`, those for boards in `boards`.
"""

from .main import main

__all__ = ["main"]
