"""Options of every command: how integers, paths and misspelt words are read or refused."""

import os
from pathlib import Path
from typing import Any

import click
import pytest

from hfp8_hw.cli.main import cli as cli_group
from hfp8_hw.cli.options import ParameterOption
from hfp8_hw.cli.types import Integer, Output, OutputFolder, Source, name_of

from .conftest import Cli

COMMANDS = [
    (*path, name)
    for path, group in ((("bench",), cli_group.commands["bench"]), ((), cli_group))
    for name, command in group.commands.items()  # type: ignore[attr-defined]
    if not isinstance(command, click.Group)
]
"""Every command, as the words that name it."""


def parameters_of(words: tuple[str, ...]) -> list[click.Parameter]:
    """The options and arguments of a command that are its own."""
    command: Any = cli_group
    for word in words:
        command = command.commands[word]
    return [p for p in command.params if not isinstance(p, ParameterOption)]


def started(words: tuple[str, ...], option: str, value: object) -> list[str]:
    """A command line with one option, and all that the command needs besides."""
    units = {"gen", "synth", "compare", "mutate", "prove", "sweep", "cover", "verify",
             "explore"}  # fmt: skip
    more = (
        ["mul"]
        if words[-1] in units
        else {"report": ["x"], "train": ["translation"]}.get(words[-1], [])
    )
    needed = ["--inputs", "x.npz"] if words[-1] == "compare" and option != "--inputs" else []
    needed += ["--space", "s.toml"] if words[-1] == "explore" and option != "--space" else []
    return [*words, *more, *needed, option, str(value)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_integers_and_paths_are_read_in_one_way(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """No integer but of ASCII digits, no empty path; what cannot be written is refused at once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    for option in parameters_of(words):
        assert not isinstance(option.type, click.Path | click.IntRange | click.types.IntParamType)
        if not isinstance(option, click.Option):
            continue
        name, word = name_of(option), option.opts[-1]
        if isinstance(option.type, Integer):
            for value in ("1_0", "\u0663", " 3", "3.0", "", "0x3", "9" * 5000):
                said = cli.refused(*started(words, word, value))
                assert f"{name}=" in said and "is not allowed: an integer" in said
        elif isinstance(option.type, Output | OutputFolder | Source):
            said = cli.refused(*started(words, word, ""))
            assert f"{name}='' is not allowed: the path of a f" in said
        if isinstance(option.type, Source):
            said = cli.refused(*started(words, word, "/dev/zero"))
            assert f"{name}='/dev/zero' is not allowed: a regular file, and it is a dev" in said
        if isinstance(option.type, Output | OutputFolder):
            for value in ("/proc/x/y", "file/x", "/proc/x"):
                said = cli.refused(*started(words, word, value))
                assert f"{name}={value!r} is not allowed" in said
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "words",
    ["report", "run", "export", "deploy", "gen --config", "bench core --json",
     "explore mul --space"],
)  # fmt: skip
@pytest.mark.parametrize("endless", ["/dev/zero", "pipe"])
def test_what_may_never_end_is_not_read(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, endless: str
) -> None:
    """Arguments as options; nobody writes to the pipe."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    more = ["--array", "smallest"] if words.startswith("bench") else []
    said = cli.refused(*words.split(), endless, *more)
    assert f"={endless!r} is not allowed: " in said


def test_every_file_that_a_command_writes_is_tried_first() -> None:
    """By the kind of its option: all that are not read are outputs."""
    read = {"calibrate", "config", "data", "expect", "inputs", "matrix", "space", "workload"}
    for words in COMMANDS:
        for option in parameters_of(words):
            if isinstance(option, click.Option) and isinstance(option.type, Source):
                assert name_of(option) in read, (words, option.name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gen", "quantizer", "--random_sed", "3"], "'--random-seed'"),
        (["gen", "dot", "--random_sed", "3"], "No such option '--random_sed'."),
        (["gen", "--trak", "amax", "dot"], "No such option '--trak'."),
        (["gen", "quantizer", "--trak", "amax"], "Did you mean '--track'?"),
        (["gen", "dot", "--lane", "8"], "Did you mean '--lanes'?"),
        (["compare", "mac", "--input", "x"], "Did you mean '--inputs'?"),
    ],
)
def test_suggestions_are_options_of_this_unit(cli: Cli, words: list[str], said: str) -> None:
    refusal = cli.refused(*words)
    assert said in refusal and (said.endswith("?") or refusal.endswith((said, f"{said}?)")))


def test_dashes_and_underscores(cli: Cli, tmp_path: Path) -> None:
    """An option has dashes; a parameter's name with its underscores is taken too."""
    names = set()
    for word in ("--random-seed", "--random_seed"):
        status, out, _ = cli(
            "gen", "quantizer", "--rounding", "SR(3)", "--random", "xorshift32", word, "7",
            "-o", tmp_path,
        )  # fmt: skip
        assert status == 0
        names.add(out)
    assert len(names) == 1


def _with_parameters() -> list[tuple[str, ...]]:
    found = []
    for words in COMMANDS:
        command: Any = cli_group
        for word in words:
            command = command.commands[word]
        if any(isinstance(p, ParameterOption) for p in command.params):
            found.append(words)
    return found


@pytest.mark.parametrize("words", _with_parameters(), ids=" ".join)
@pytest.mark.parametrize(
    ("twice", "name"),
    [("--stages 2 --stages 2", "stages"), ("--stages 3 --stages=2", "stages"),
     ("--y-overflow 2 --y_overflow 2", "y_overflow")],
)  # fmt: skip
def test_a_parameter_is_given_once(cli: Cli, words: tuple[str, ...], twice: str, name: str) -> None:
    """The same value is no exception, and neither is the other spelling."""
    first, value, *rest = twice.split()
    said = cli.refused(*started(words, first, value), *rest)
    assert f"{name}='2' is not allowed: {name} is given already" in said
