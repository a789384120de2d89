"""The command `status`."""

from typing import Final

import typer

from touchstream.schemas.times import instant
from touchstream.sinks.page.pipeline.reader import PipelineReader
from touchstream.sinks.page.pipeline.view import AWAY, LATE, Link, pipeline_view
from touchstream.sinks.page.rows import instant_text
from touchstream.sinks.page.surroundings import Surroundings
from touchstream.streams.cli.output import (
    Json,
    errors_in_one_line,
    escaped,
    load_settings,
    out,
    print_json,
    print_table,
)

_NOT_WELL: Final = frozenset({LATE, AWAY})


def status(as_json: Json = False) -> None:
    """Show what runs and how far it is: each part from Kafka to notifications, as on the page of the data path.

    Exits with 1 where a part is late or away; what was never there is unknown, and no error.

    Example: touchstream status
    """
    settings = load_settings()
    with errors_in_one_line():
        reader = PipelineReader(Surroundings(settings.clickhouse_url, settings.topic), lambda _: "")
        view = pipeline_view(reader.read())
    rows = [
        {
            "part": one.name,
            "state": one.state,
            "detail": one.detail,
            "up_to": instant_text(one.up_to_ms) if one.up_to_ms else None,
            "remedy": one.remedy or None,
        }
        for one in view.links
    ]
    if as_json:
        print_json(rows)
    else:
        _say(view.links, view.letters)
    if any(one.state in _NOT_WELL for one in view.links):
        raise typer.Exit(1)


def _say(links: tuple[Link, ...], letters: int) -> None:
    shown = [
        {
            "part": one.name,
            "state": one.state,
            "detail": one.detail,
            "up to (UTC)": f"{instant(one.up_to_ms):%H:%M:%S}" if one.up_to_ms else None,
        }
        for one in links
    ]
    print_table(shown, ("part", "state", "detail", "up to (UTC)"))
    for one in links:
        if one.remedy and one.state in _NOT_WELL:
            out.print(escaped(f"{one.name}: {one.remedy}"), soft_wrap=True)
    if letters:
        out.print(f"{letters:,} dead letters within a day: touchstream dead-letters list", soft_wrap=True)
