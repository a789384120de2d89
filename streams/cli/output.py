"""Output of the command line: tables and JSON to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from clickhouse_connect.driver.exceptions import ClickHouseError
from rich.console import Console

from touchstream.schemas.instruments import put_in_force
from touchstream.schemas.metrics import instruments_of
from touchstream.sinks.clickhouse.errors import code, first_line, remedy
from touchstream.sinks.clickhouse.metrics.exact import IntervalError
from touchstream.sinks.clickhouse.migrations.migrate import MigrationError
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.cli.local.identity import addressed
from touchstream.streams.cli.time_arguments import WrongTimeError
from touchstream.streams.process.settings import Settings, SettingsError

if TYPE_CHECKING:
    from rich.progress import Progress

FAILED = 1
WRONG_USE = 2

TABLE_ROWS_MAX = 1_000
"""Default limit of rows in a printed table: names come from events, and there may be a million of them."""
JSON_ROWS_MAX = 100_000
"""Default limit of rows in a JSON answer; more are an error, because programs read no warning beside the answer."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The option of every command that prints data."""
err = Console(stderr=True, highlight=False)
# Into a file or a pipe a table goes as wide as it is.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 400)


def fail(message: str, exit_code: int = FAILED) -> NoReturn:
    """End with one line that says what happened and what to do."""
    err.print(f"[red]error:[/red] {message}", soft_wrap=True, markup=True)
    raise typer.Exit(exit_code)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Errors that a person can mend become one line and an exit code."""
    try:
        yield
    except (SettingsError, IntervalError, WrongTimeError) as error:
        fail(_plain(error), WRONG_USE)
    except ClickHouseError as error:
        if code(error) is None:
            fail("ClickHouse does not answer: start it, or set TOUCHSTREAM_CLICKHOUSE_URL (`touchstream settings`)")
        fail(f"ClickHouse: {escaped(first_line(error))}; {remedy(error)}")
    except (TopicError, MigrationError, OSError, ValueError) as error:
        fail(_plain(error))


def load_settings(*, local: bool = True) -> Settings:
    """The settings in force. Ends with exit code 2 when one can't be used.

    local: with the addresses of the local stack that is meant where no servers are set (`local_stack.addressed`).
    """
    with errors_in_one_line():
        settings = addressed(Settings()) if local else Settings()
        if settings.instruments_file is not None:  # what is in force says ClickHouse, once it is asked
            put_in_force(instruments_of(settings.instruments_file))
        return settings
    raise AssertionError("errors_in_one_line does not swallow")


def print_json(data: Any) -> None:
    """One JSON document, as it is: no colours, no line breaks of a terminal's width."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, default=str) + "\n")


def within_limit(rows: Sequence[dict[str, Any]], limit: int | None, as_json: bool) -> list[dict[str, Any]]:
    """The rows with the most touches, in the order they came in, and on standard error how many are left out.

    limit: how many rows were asked for, 0 for all, None where nothing was said. Ends with exit code 1 where that makes
    JSON of more than JSON_ROWS_MAX rows.
    """
    allowed = limit if limit is not None else JSON_ROWS_MAX if as_json else TABLE_ROWS_MAX
    if allowed == 0 or len(rows) <= allowed:
        return list(rows)
    if limit is None and as_json:
        fail(
            f"{len(rows):,} rows: take --limit 0 for all, --limit N for those with most touches, or narrow with --where"
        )
    most = sorted(range(len(rows)), key=lambda at: -(rows[at].get("touches") or 0))[:allowed]
    err.print(f"{len(rows) - allowed:,} more rows, with fewer touches, are left out; --limit 0 for all", soft_wrap=True)
    return [rows[at] for at in sorted(most)]


def print_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    title: str | None = None,
    most: int = TABLE_ROWS_MAX,
) -> None:
    """Rows for people; numbers to the right. On standard error how many rows beyond `most` are left out."""
    from rich.table import Table

    # Names are without end, and drawing ten thousand rows takes a minute.
    left_out, rows = len(rows) - most, rows[:most]
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        numeric = all(isinstance(row.get(column), int | float | None) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    out.print(table)
    if left_out > 0:
        err.print(f"{left_out:,} more rows are left out; --json has all", soft_wrap=True)


def progress_bar() -> "Progress":
    """A bar on standard error, shown when a person is watching."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escaped(str(value))


def _plain(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return escaped(lines[0])


def escaped(text: str) -> str:
    """Text that came from outside: no terminal control characters, no markup of rich."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return printable.replace("[", r"\[")
