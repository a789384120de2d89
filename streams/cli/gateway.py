"""The commands `gateway` and `gateway key`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from touchstream.streams.channels.gateway import serve
from touchstream.streams.channels.gateway.key_lines import expiry, key_line, new_key, permissions
from touchstream.streams.channels.judged import Bounds
from touchstream.streams.cli.output import Json, err, errors_in_one_line, load_settings, print_json
from touchstream.streams.process.logs import configure_logs


def gateway(context: typer.Context) -> None:
    """Take events over HTTP and give them to Kafka, until Ctrl-C.

    Example: TOUCHSTREAM_GATEWAY_PORT=8080 touchstream gateway
    """
    if context.invoked_subcommand is None:
        settings = load_settings()
        configure_logs(settings.log_format)
        with errors_in_one_line():
            serve(settings)


def key(
    name: Annotated[str, typer.Argument(help="Name of the key's owner: A-Z a-z 0-9 . _ -")],
    may: Annotated[str, typer.Option(help="Permissions: send (events), read (customers), or send,read.")] = "send",
    expires: Annotated[
        str | None, typer.Option(help="When it ends: a date (the end of that day, UTC), ISO 8601, or a span as 90d.")
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="The only channel it may send; may be repeated.")] = None,
    action: Annotated[list[str] | None, typer.Option(help="The only action it may send; may be repeated.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="The only source it may send (its channel, without one); may be repeated.")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="For web pages of this origin only, as https://shop.example; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an API key. It is shown this once: the file of keys holds its hash only.

    Example: touchstream gateway key shop --channel web --channel app --expires 2027-12-31
    """
    with errors_in_one_line():
        made, now = new_key(), datetime.now(UTC)
        bounds = Bounds(_names(channel), _names(action), _names(source))
        end = expiry(expires, now) if expires else None
        line = key_line(name, made, permissions(may), bounds, now, end, _names(origin))
    if as_json:
        print_json({"name": name, "key": made, "line": line})
        return
    err.print("The key, for the sender (Authorization: Bearer KEY). It can't be shown again:")
    typer.echo(made)
    err.print("Its line, for the file that TOUCHSTREAM_GATEWAY_KEYS_FILE names:")
    typer.echo(line)


def _names(given: Sequence[str] | None) -> frozenset[str] | None:
    return frozenset(given) if given else None
