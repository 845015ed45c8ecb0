"""Trained networks with data and a score, to see what HFP8 does to them.

`example` says what an example is, `scores` runs one in an arithmetic. `digits_mlp` and `digits_cnn`
are trained here. The others are files of installed packages, and `packages` says how to install
them: `text_direction` tells which way up a line of text is, `magika` the types of files,
`basic_pitch` the notes of chords, `text_recognition` what a line says. Their data are in the room
`data`.

May import the parent and what it may. Other packages are imported when an example needs them.
"""

from __future__ import annotations

from importlib import import_module

from ...errors import check_choice
from .example import Arrays, Example

__all__ = ["EXAMPLES", "Arrays", "Example", "find"]

EXAMPLES = {
    "digits_mlp": "DigitsMLP",
    "digits_cnn": "DigitsCNN",
    "text_direction": "TextDirection",
    "magika": "MagikaTypes",
    "basic_pitch": "BasicPitch",
    "text_recognition": "TextRecognition",
}
"""The examples: each a module of this room, and the class in it."""


def find(name: str) -> Example:
    """The example of a name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    check_choice("model", name, EXAMPLES)
    example: Example = getattr(import_module(f".{name}", __name__), EXAMPLES[name])()
    return example
