"""What is trained: the data, a model and a score for each of seven tasks.

`task` says what a task is, `sources` where its data comes from. `fashion` has the two of vision,
`bible` the one of language, `help_pages` translation, `speech` two of speech, whose sounds
`recordings` has and `audio` turns into pictures. `detection` finds clothes in `scenes`, and `boxes`
counts how well. `models` has networks.
"""

from __future__ import annotations

from importlib import import_module

from ...errors import check_choice
from .task import Recipe, Task

__all__ = ["TASKS", "Recipe", "Task", "find"]

TASKS = {
    "vision_resnet": "fashion",
    "vision_mobilenet": "fashion",
    "language_char": "bible",
    "translation": "help_pages",
    "speech_language": "speech",
    "speech_letters": "speech",
    "detection": "detection",
}
"""The tasks, and the module of this room that each is in."""


def find(name: str) -> type[Task]:
    """The task of a name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    check_choice("task", name, TASKS)
    tasks: dict[str, type[Task]] = import_module(f".{TASKS[name]}", __name__).TASKS
    return tasks[name]
