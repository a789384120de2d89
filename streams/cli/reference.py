"""The page docs/command-line.md: `python -m touchstream.streams.cli.reference > docs/command-line.md`."""

import re
from collections.abc import Iterator
from typing import Any, Final

import typer

from touchstream.streams.cli.main import app

EXAMPLE: Final = re.compile(r"^Example: (.+)$", re.MULTILINE)
"""The line of a command's help that shows how it is used."""

_HEAD: Final = """\
# Command line

Written by `python -m touchstream.streams.cli.reference > docs/command-line.md`; a test checks it.

`touchstream COMMAND --help` prints the same.
Every command reads the [settings](settings.md).
Exit codes: 0 is success, 1 is failure, 2 is wrong use.
An error is one line that says what to do.
Answers go to standard output; progress, notes and errors go to standard error.
"""


def commands(command: Any = None, path: tuple[str, ...] = ("touchstream",)) -> Iterator[tuple[str, Any]]:
    """Every command and group with its full name, in the order of the help."""
    command = command or typer.main.get_command(app)
    for name in _names(command):
        below = command.get_command(None, name)
        yield " ".join((*path, name)), below
        yield from commands(below, (*path, name))


def example_of(command: Any) -> str | None:
    """The example in a command's help; None for a group that does nothing by itself."""
    found = EXAMPLE.search(command.help or "")
    return found[1] if found else None


def reference_markdown() -> str:
    """The whole page."""
    found = list(commands())
    lines = [_HEAD, *(f"- [`{name}`](#{_anchor(name)})" for name, command in found if example_of(command)), ""]
    for name, command in found:
        lines += [f"## `{name}`", "", *_described(name, command)]
    return "\n".join(lines)


def _described(name: str, command: Any) -> Iterator[str]:
    yield from (*_sentences(EXAMPLE.sub("", command.help or "")), "")
    below = [f"- [`{name} {each}`](#{_anchor(f'{name} {each}')})" for each in _names(command)]
    if below:
        yield from (*below, "")
    example = example_of(command)
    if example:
        yield from ("```sh", example, "```", "")
    parameters = [_parameter(each) for each in command.params if not each.hidden and "--help" not in each.opts]
    if parameters:
        yield from (*parameters, "")


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.?!]) (?=[A-Z])", " ".join(text.split()))


def _names(command: Any) -> list[str]:
    return list(command.list_commands(None)) if hasattr(command, "list_commands") else []


def _parameter(parameter: Any) -> str:
    """One line of the list: name, whether it may be left out or repeated, what it does, its default."""
    is_option = parameter.opts[0].startswith("-")
    value = "" if not is_option or parameter.is_flag else f" {(parameter.metavar or _kind(parameter)).upper()}"
    names = " / ".join(dict.fromkeys([*parameter.opts, *parameter.secondary_opts]))
    notes = []
    if parameter.required:
        notes.append("required")
    if (is_option and parameter.multiple) or parameter.nargs == -1:
        notes.append("may be repeated")
    if is_option and not parameter.is_flag and parameter.default not in (None, "", ()):
        notes.append(f"default `{parameter.default}`")
    shown = names if is_option else parameter.name.upper()
    noted = f" ({', '.join(notes)})" if notes else ""
    return "\n  ".join(_sentences(f"- `{shown}{value}`{noted}: {parameter.help}"))


def _kind(parameter: Any) -> str:
    """What an option's value is: TEXT, PATH, INTEGER, FLOAT."""
    annotation = str(parameter.type_descriptor.annotation)
    for python, shown in (("Path", "PATH"), ("int", "INTEGER"), ("float", "NUMBER")):
        if python in annotation:
            return shown
    return "TEXT"


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-")


if __name__ == "__main__":
    print(reference_markdown(), end="")
