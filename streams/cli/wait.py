"""The command `wait`."""

from typing import Annotated

import typer

from sinks.clickhouse.client import connect
from sinks.clickhouse.queries import lanes
from streams.cli.output import errors_in_one_line, fail, load_settings, progress_bar
from streams.topics import log_identity
from streams.waiting import reached, wait_until_measured


def wait(
    timeout: Annotated[float, typer.Option(help="Seconds until it gives up.")] = 60.0,
) -> None:
    """Wait until everything published so far has been measured and is in the tables; exit code 1 when time is over.

    Example: touchstream wait --timeout 120
    """
    settings = load_settings()
    with errors_in_one_line(), progress_bar() as progress:
        ends = log_identity(settings.kafka_connection(), settings.topic)
        client = connect(settings.clickhouse_url)
        total = sum(position.end_offset - position.begin_offset for position in ends.values())
        bar = progress.add_task("measured", total=total)

        behind = wait_until_measured(
            ends,
            lambda: reached(lanes(client, settings.topic)),
            timeout,
            lambda left: progress.update(bar, completed=max(0, total - left)),
        )
    if behind:
        events = sum(lane.end_offset - lane.next_offset for lane in behind)
        fail(
            f"{events} events in {len(behind)} partitions are not measured after {timeout:g} s;"
            " is a worker running? Its log says what it waits for"
        )
