"""docs/command-line.md is the command line's own help."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from touchstream.streams.cli.main import COMMANDS
from touchstream.streams.cli.reference import commands, example_of, reference_markdown

PAGE = Path(__file__).parents[4] / "docs" / "command-line.md"
FOUND = dict(commands())
CALLABLE = [
    f"touchstream {name} {below}".strip()
    for name, place in COMMANDS.items()
    for below in (place if isinstance(place, dict) else [""])
]


def test_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_markdown(), (
        "run: python -m touchstream.streams.cli.reference > docs/command-line.md"
    )


@pytest.mark.parametrize("name", CALLABLE)
def test_every_command_has_an_example_that_it_understands(name: str) -> None:
    example = example_of(FOUND[name])
    assert example is not None, f"{name}: its docstring has no line `Example: …`"
    words = [word for word in shlex.split(example) if not re.match("[A-Z_]+=", word)]
    path = name.split()
    assert words[: len(path)] == path
    parse(FOUND[name], words[len(path) :])


def parse(command: Any, given: list[str]) -> None:
    """Read the arguments as a call would; unknown options and missing arguments raise."""
    command.parse_args(command.context_class(command, info_name=command.name), list(given))


def test_an_example_with_an_unknown_option_is_not_understood() -> None:
    with pytest.raises(Exception, match="No such option: --bogus"):
        parse(FOUND["touchstream wait"], ["--bogus"])


@pytest.mark.parametrize("name", CALLABLE)
def test_every_option_of_a_command_is_described(name: str) -> None:
    for parameter in FOUND[name].params:
        assert parameter.help, f"{name}: {parameter.name} has no help"
