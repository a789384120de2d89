"""The command `wait`."""

from typing import Annotated, Final

import typer
from kafka.errors import KafkaError

from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.streams.broker.progress import Reached, beat, reached, wait_until_measured
from touchstream.streams.broker.topics import LogPosition, log_identity
from touchstream.streams.cli.output import err, errors_in_one_line, fail, load_settings, progress_bar
from touchstream.streams.process.connection import KafkaConnection

_BEATS_SECONDS: Final = 10.0
"""Timeout for workers to measure the heartbeats, in seconds. Without workers the tables hold all events anyway."""


def wait(
    timeout: Annotated[float, typer.Option(help="Timeout in seconds.")] = 60.0,
) -> None:
    """Wait until everything published so far has been measured and is in the tables; exit code 1 when time is over.

    Example: touchstream wait --timeout 120
    """
    settings = load_settings()
    with errors_in_one_line(), progress_bar() as progress:
        connection, topic = settings.kafka_connection(), settings.topic
        ends = log_identity(connection, topic)
        beats = _beats(connection, topic, ends)
        client = connect(settings.clickhouse_url)
        total = sum(position.end_offset - position.begin_offset for position in ends.values())
        bar = progress.add_task("measured", total=total)

        def measured() -> dict[int, Reached]:
            return reached(lanes(client, topic))

        behind = wait_until_measured(
            ends, measured, timeout, lambda left: progress.update(bar, completed=max(0, total - left))
        )
        if not behind and wait_until_measured(beats, measured, _BEATS_SECONDS, lambda _: None):
            err.print("all is measured; completeness follows with the next heartbeats of a running worker")
    if behind:
        events = sum(lane.end_offset - lane.next_offset for lane in behind)
        fail(
            f"{events} events in {len(behind)} partitions are not measured after {timeout:g} s;"
            " is a worker running? Its log says what it waits for"
        )


def _beats(connection: KafkaConnection, topic: str, ends: dict[int, LogPosition]) -> dict[int, LogPosition]:
    """Where the log ends behind a heartbeat in each partition; nowhere while nothing was ever published.

    Without the right to write to the topic there is none: the workers' own come some seconds later.
    """
    if not any(position.end_offset for position in ends.values()):
        return {}
    try:
        beat(connection, topic, ends)
    except KafkaError:
        return {}
    return log_identity(connection, topic)
