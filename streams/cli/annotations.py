"""The commands `annotate` and `annotations list`."""

from typing import Annotated, Any

import msgspec
import typer

from touchstream.schemas.annotations import KINDS, Annotation, AnnotationError, checked
from touchstream.schemas.times import instant, now_ms
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.cli.output import (
    WRONG_USE,
    Json,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    out,
    print_json,
    print_table,
)
from touchstream.streams.cli.time_arguments import point_in_time

_COLUMNS = ("at", "until", "kind", "journey", "stage", "channel", "segment", "text", "source", "link", "exclude", "id")


def annotate(
    text: Annotated[str, typer.Argument(help="What happened, in words.")],
    kind: Annotated[str, typer.Option(help=f"What it is: {', '.join(KINDS)}.")] = "other",
    at: Annotated[str, typer.Option(help="When it began: ISO 8601 (UTC), epoch ms, -1h.")] = "-0s",
    until: Annotated[str | None, typer.Option(help="When it was over; without it, at once.")] = None,
    journey: Annotated[str | None, typer.Option(help="The only journey that it is about.")] = None,
    stage: Annotated[str | None, typer.Option(help="The only stage.")] = None,
    channel: Annotated[str | None, typer.Option(help="The only channel.")] = None,
    segment: Annotated[str | None, typer.Option(help="The only segment.")] = None,
    link: Annotated[str, typer.Option(help="An address with more about it.")] = "",
    source: Annotated[str, typer.Option(help="Who says so.")] = "",
    exclude: Annotated[
        bool, typer.Option("--exclude", help="Leave its span out of what is usual; no alert begins to fire in it.")
    ] = False,
    given_id: Annotated[
        str | None, typer.Option("--id", help="Its id: the last annotation with an id counts. New by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Note what happened: alerts and incidents about that time show it.

    Example: touchstream annotate "checkout 4.2 is out" --kind deploy --channel web --link https://ci.example/42
    """
    # Here, for a list needs no Kafka.
    from touchstream.streams.broker.annotations import publish_annotation
    from touchstream.streams.channels.event_ids import new_event_id

    settings = load_settings()
    with errors_in_one_line():
        try:
            said = checked(
                msgspec.convert(
                    {
                        "id": new_event_id() if given_id is None else given_id,
                        "text": text, "kind": kind, "link": link,
                        "at": _moment(at), "until": None if until is None else _moment(until),
                        "journey": journey, "stage": stage, "channel": channel, "segment": segment,
                        "source": source, "exclude": exclude,
                    },
                    Annotation,
                ),
                instant(now_ms()),
            )  # fmt: skip
        except (AnnotationError, msgspec.ValidationError) as error:
            fail(escaped(str(error)), WRONG_USE)
        publish_annotation(settings.kafka_connection(), settings.topic, said)
    if as_json:
        print_json(_row(said))
    else:
        out.print(escaped(f"noted as {said.id}"), soft_wrap=True)


def list_annotations(
    start: Annotated[str, typer.Option("--from", help="Since then: ISO 8601 (UTC), epoch ms, -7d.")] = "-7d",
    end: Annotated[str, typer.Option("--to", help="Up to then.")] = "-0s",
    as_json: Json = False,
) -> None:
    """What was noted, the newest first, as watch has read it.

    Example: touchstream annotations list --from -30d
    """
    settings = load_settings()
    with errors_in_one_line():
        found = AnnotationTable(connect(settings.clickhouse_url)).between(
            settings.topic, point_in_time(start), point_in_time(end)
        )
    rows = [_row(one) for one in found]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, _COLUMNS)
    else:
        out.print("nothing was noted in this time")


def _moment(text: str) -> Any:
    try:
        return instant(point_in_time(text))
    except OverflowError:
        raise AnnotationError(f"{text} is no time that there is") from None


def _row(annotation: Annotation) -> dict[str, Any]:
    said = {name: getattr(annotation, name) for name in Annotation.__struct_fields__}
    return {name: msgspec.to_builtins(value) for name, value in said.items()}
