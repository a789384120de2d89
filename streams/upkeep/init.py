"""What `touchstream init` does: topics, tables, and the definitions in force. Idempotent, also after an interruption.

Definitions are switched through the log itself: a signed control record in every partition, so that every worker, also
one that is slow or believes it still owns a lane, switches at the same offset. Workers never read the journey file.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client

from touchstream.schemas.definitions import DefinitionError, read_source
from touchstream.schemas.journey import DEFAULT_FILE, Journeys
from touchstream.schemas.metrics import instruments_of
from touchstream.schemas.paths import stage_paths
from touchstream.sinks.clickhouse.client import connect_directly
from touchstream.sinks.clickhouse.customers.person import ErasureKey, keep_erasure_key
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.lanes.definitions import known_definitions, record_definitions
from touchstream.sinks.clickhouse.metrics.journeys import record_stages
from touchstream.sinks.clickhouse.migrations.migrate import Migrating, migrate
from touchstream.streams.broker.control_records import Control, first_key
from touchstream.streams.broker.topics import ensure_topics, topic_specs
from touchstream.streams.measure.controls import DEFINITIONS
from touchstream.streams.measure.definitions import Definitions, document
from touchstream.streams.process.settings import Settings


def prepare(settings: Settings) -> Iterator[str]:
    """Create what is missing; yields a line for each thing that was done or that the operator should know."""
    connection = settings.kafka_connection()
    for report in ensure_topics(connection, topic_specs(settings)):
        done = "created" if report.created else "there"
        yield f"topic {report.name}: {done}, {report.partitions} partitions"
        yield from (f"warning: {warning}" for warning in report.warnings)
    migrating = migrating_as(settings)
    first = connect_directly(settings.clickhouse_url)
    applied = migrate(first, migrating)
    client = connect(settings.clickhouse_url)
    if client.database != first.database:
        applied = migrate(client, migrating)
        yield f"edition in force: {client.database}"
    yield f"tables: {', '.join(applied) if applied else 'up to date'}"
    if settings.erasure_key:
        keep_erasure_key(client, ErasureKey.of(settings.erasure_key))
    yield from _put_in_force(settings, client)


def migrating_as(settings: Settings) -> Migrating:
    """What migrations need to know of the settings."""
    raw, letters = settings.raw_retention_days, settings.dead_letter_retention_days
    # A lane that is taken over finds the ids of rows that were refused in dead letters.
    return Migrating(raw, max(raw, letters))


def definitions_in_settings(settings: Settings) -> bytes:
    """The document of the definitions that the settings say. Raises DefinitionError, OSError."""
    content = document(
        _journey(settings),
        lateness_seconds=settings.lateness_seconds,
        duplicate_horizon_seconds=settings.duplicate_horizon_seconds,
        pane_retention_days=settings.pane_retention_days,
        duplicate_ids_max=settings.duplicate_ids_max,
        void_ids=settings.void_words,
        instruments=instruments_of(settings.instruments_file),
        correction_days=min(settings.correction_days, settings.raw_retention_days),
    )
    return msgspec.json.encode(content)


def _journey(settings: Settings) -> dict[str, Any]:
    """The journey file as plain values. Raises DefinitionError where a lane could not use it."""
    path = settings.journey_file or DEFAULT_FILE
    Journeys.load(path)
    content: dict[str, Any] = read_source(path.read_text(encoding="utf-8"), path.name).content
    return content


def _refuse_other_scales(before: str, wanted: bytes) -> None:
    """An answer keeps its meaning: raises DefinitionError where an instrument in force would get another scale."""
    was, now = (Definitions.parse(text).instruments for text in (before, wanted))
    errors = [
        now.error(one, f"{one.id} has the scale {scale} and keeps it; give this one another id")
        for one in now.declared
        if (scale := was.scales.find(one.id)) is not None and scale != one.scale
    ]
    if errors:
        raise DefinitionError(*errors)


def _put_in_force(settings: Settings, client: Client) -> Iterator[str]:
    text = definitions_in_settings(settings)
    version = Definitions.parse(text).version
    record_stages(client, version, stage_paths(Journeys.load(settings.journey_file or DEFAULT_FILE).journeys))
    made = first_key(settings.control_key_path, client)
    if made:
        yield f"control key: {made}, in {settings.control_key_path}; back it up"
    known = [one for one in known_definitions(client) if one.in_force_since is not None]
    if known and known[-1].version == version:
        yield f"definitions: {version} in force"
        return
    if known:
        _refuse_other_scales(known[-1].content, text)
        control = Control.of(settings, client)
        record_definitions(client, version, text.decode(), in_force=False)
        control.write(DEFINITIONS, [text])
    record_definitions(client, version, text.decode(), in_force=True)
    yield f"definitions: {version} in force" + (f", was {known[-1].version}" if known else "")
