"""The commands `control-key show`, `control-key new`, `control-key rotate`, `control-key adopt`."""

from pathlib import Path
from typing import Annotated

import typer

from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.lanes.control import KnownKey, known_keys, note_keys, replace_lane_keys
from touchstream.streams.broker.control_key import make_key, public_of, read_key
from touchstream.streams.broker.control_records import Control, next_sequence
from touchstream.streams.cli.output import (
    Json,
    err,
    errors_in_one_line,
    fail,
    load_settings,
    print_json,
    print_table,
)
from touchstream.streams.measure.controls import ControlKey, keys_text

New = Annotated[Path, typer.Argument(metavar="FILE", help="File of the new private key; created if missing.")]


def show_keys(as_json: Json = False) -> None:
    """Which keys sign what steers workers: those in force, and earlier ones, until which sequence number.

    Example: touchstream control-key show
    """
    settings = load_settings()
    with errors_in_one_line():
        rows = [
            {"key": ControlKey(one.public).id, "public": one.public, "until": one.until or None}
            for one in known_keys(connect(settings.clickhouse_url))
        ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["key", "until", "public"])


def new_key(file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that does not exist yet.")]) -> None:
    """Make a private key. It counts once `init` meets it as the first one, or `rotate` or `adopt` names it.

    Example: touchstream control-key new secrets/control_key
    """
    with errors_in_one_line():
        if file.exists():
            fail(f"{file} is there already: nothing is overwritten; name another file")
        err.print(f"control key {public_of(make_key(file)).id} in {file}: back it up", markup=False)


def rotate_key(file: New) -> None:
    """Let another key sign from here on, by a control record that the key of the settings signs.

    Example: touchstream control-key rotate secrets/control_key.2
    """
    settings = load_settings()
    with errors_in_one_line():
        control = Control.of(settings, connect(settings.clickhouse_url))
        new = read_key(file) if file.exists() else make_key(file)
        if public_of(new) == public_of(control.private):
            fail(f"{file} holds the key that is in force: name another file")
        control.rotate(new)
    err.print(
        f"control key {public_of(new).id} is in force: set TOUCHSTREAM_CONTROL_KEY_FILE to {file}, and back it up",
        markup=False,
    )


def adopt_key(
    file: New, yes: Annotated[bool, typer.Option("--yes", help="Don't ask: all workers are stopped.")] = False
) -> None:
    """Put a key in force whose predecessor is lost or stolen, by writing to ClickHouse itself. Stop all workers first.

    Example: touchstream control-key adopt secrets/control_key.2 --yes
    """
    settings = load_settings()
    with errors_in_one_line():
        if not yes:
            typer.confirm(
                "Are all workers stopped? One that runs would go on with the key before.", abort=True, err=True
            )
        client = connect(settings.clickhouse_url)
        new = public_of(read_key(file) if file.exists() else make_key(file))
        last = next_sequence(client)
        before = [KnownKey(one.public, one.until or last) for one in known_keys(client) if one.public != new.public]
        note_keys(client, [*before, KnownKey(new.public, 0)])
        lanes = replace_lane_keys(client, keys_text([new]))
    err.print(
        f"control key {new.id} is in force for {lanes} lanes: set TOUCHSTREAM_CONTROL_KEY_FILE to {file}, and start the"
        " workers",
        markup=False,
    )
