"""The page docs/settings.md: `python -m touchstream.streams.process.settings_page > docs/settings.md`."""

from pydantic.fields import FieldInfo

from touchstream.streams.process.settings import declared
from touchstream.streams.process.settings_sources import CONFIG_FILE, CONFIG_VARIABLE, SECRETS, variable_of
from touchstream.streams.process.settings_words import shown


def settings_markdown() -> str:
    """The page, in Markdown."""
    rows = [
        f"| `{variable_of(name)}` | {_default(name, field)} | {field.description} |"
        for name, field in declared().items()
    ]
    secrets = [f"- `{variable_of(name)}_FILE`" for name in SECRETS]
    return "\n".join(
        [
            "# Settings",
            "",
            "Written by `python -m touchstream.streams.process.settings_page > docs/settings.md`; a test checks it.",
            "",
            f"Each is read from the environment, else from `{CONFIG_FILE}` in the working directory (or the file that",
            f"`{CONFIG_VARIABLE}` names; there a setting is spelled in lower case without the prefix), else it has its",
            "default. An empty variable counts as unset; a name that isn't known is an error. `touchstream settings`",
            "prints what is in force and where from.",
            "",
            "Secrets may be kept in files. These name a file that holds the value:",
            "",
            *secrets,
            "",
            "| variable | default | what it sets |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _default(name: str, field: FieldInfo) -> str:
    return "unset" if field.default is None else f"`{shown(name, field.default)}`"


if __name__ == "__main__":
    print(settings_markdown(), end="")
