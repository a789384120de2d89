"""Another journey.yaml, from a time on: derived anew beside what was measured, switched to, and the old still there."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from tests.kafka.choice import about_apache_kafka
from tests.support.clickhouse_rows import HOUR_MS, NOON_MS
from tests.support.measuring import DERIVED, NEW, OLD, Stand, events, measure, rows, standing
from touchstream.sinks.clickhouse.client import connect_directly, database_url
from touchstream.sinks.clickhouse.customers.person_views import Onlooker
from touchstream.sinks.clickhouse.customers.reader import CustomerReader
from touchstream.sinks.clickhouse.metrics.exact import FAR_MS, metrics
from touchstream.sinks.clickhouse.upkeep.editions import copy_history, editions
from touchstream.sinks.clickhouse.upkeep.reconcile import reconcile
from touchstream.streams.broker.topics import TopicSpec, ensure_topics
from touchstream.streams.cli.main import app
from touchstream.streams.upkeep.asked_edition import EditionError, edition_of
from touchstream.streams.upkeep.editions import switch
from touchstream.streams.upkeep.rederivation import Restating, _Replay

pytestmark = pytest.mark.stack


class Crash(Exception):  # noqa: N818 - the word for it
    """The process ends here."""


@pytest.fixture
def stand(clickhouse_url: str, kafka_url: str, tmp_path: Path) -> Iterator[Stand]:
    with standing(clickhouse_url, kafka_url, tmp_path) as stand:
        yield stand


def panes(client: Client, from_ms: int, to_ms: int = FAR_MS) -> list[dict[str, Any]]:
    """Panes that begin in [from_ms, to_ms)."""
    found = rows(client, "stage_panes")
    return [row for row in found if from_ms <= row["pane_start"].timestamp() * 1000 < to_ms]


def replayed(stand: Stand, stages: dict[str, str], from_ms: int | None = None) -> str:
    """Fill an edition; its database."""
    return Restating(stand.with_journey(stages), from_ms).run(lambda *_: None).database


def test_an_edition_equals_tables_that_had_its_journey_from_the_beginning(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 300))
    measure(settings)
    before = metrics(stand.in_force, by=("stage",), topic=settings.topic)
    database = replayed(stand, NEW)
    assert metrics(stand.in_force, by=("stage",), topic=settings.topic) == before
    stand.publish(*events(250, 300))
    switch(stand.settings, database)
    measure(stand.settings)
    assert stand.in_force.database == database
    fresh = stand.fresh(NEW)
    for table in DERIVED:
        assert rows(stand.in_force, table) == rows(fresh, table), table
    assert rows(fresh, "dead_letters")
    old = connect_directly(stand.settings.clickhouse_url)
    assert metrics(old, by=("stage",), topic=settings.topic) == before
    assert {row["stage"] for row in before} == {"discover", "buy", "undeclared", "product"}


def test_events_from_before_the_chosen_time_stay_as_they_were_measured(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 300))
    measure(settings)
    since = NOON_MS + HOUR_MS
    database = replayed(stand, NEW, since + 1_000)
    switch(stand.settings, database)
    edition, old = stand.in_force, connect_directly(stand.settings.clickhouse_url)
    fresh = stand.fresh(NEW)
    assert panes(edition, 0, since) == panes(old, 0, since) != []
    assert panes(edition, since) == panes(fresh, since) != []
    stand.publish(*events(250, 300))
    measure(stand.settings)
    measure(stand.with_journey(NEW, fresh.database))
    for by in ((), ("channel",)):
        found = metrics(edition, by=by, topic=settings.topic)
        expected = metrics(fresh, by=by, topic=settings.topic)
        assert found == expected, "what came later counts once, and so does all that came before"
    compared = reconcile(edition, topic=settings.topic)
    assert (compared.differing, compared.panes > 100) == (0, True)


@about_apache_kafka
def test_the_log_is_read_again_from_where_events_of_that_time_may_stand(stand: Stand) -> None:
    """The local broker looks for times by when it was sent a record."""
    spec = TopicSpec(stand.settings.topic, stand.settings.partitions, 1, {"message.timestamp.type": "CreateTime"})
    ensure_topics(stand.settings.kafka_connection(), [spec])
    settings = stand.init(OLD)
    in_order = sorted(events(), key=lambda event: int(event["occurred_at"]))
    for first in range(0, len(in_order), 60):
        stand.publish(*in_order[first : first + 60], stamped=True)
    measure(settings)
    since = NOON_MS + HOUR_MS
    plan = Restating(stand.with_journey(NEW), since).plan()
    assert all(0 < span.from_offset < span.to_offset for span in plan.spans)
    switch(stand.settings, replayed(stand, NEW, since))
    fresh = stand.fresh(NEW)
    assert panes(stand.in_force, since) == panes(fresh, since) != []
    assert metrics(stand.in_force, topic=settings.topic) == metrics(fresh, topic=settings.topic)
    stand.publish(*events(550, 100), stamped=True)
    for one in (stand.settings, stand.with_journey(NEW, fresh.database)):
        measure(one)
    assert metrics(stand.in_force, topic=settings.topic) == metrics(fresh, topic=settings.topic)


def test_interrupted_anywhere_and_run_again_it_ends_in_the_same_rows(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = stand.init(OLD)
    stand.publish(*events())
    measure(settings)
    since = NOON_MS + HOUR_MS

    def crash(*_: Any) -> None:
        raise Crash

    for name in ("record_stages", "note_edition"):
        with monkeypatch.context() as patched:
            patched.setattr(f"touchstream.streams.upkeep.rederivation.{name}", crash)
            with pytest.raises(Crash):
                replayed(stand, NEW, since)
        assert editions(connect_directly(settings.clickhouse_url)) == []
    monkeypatch.setattr("touchstream.streams.broker.log_reader.POLL_RECORDS_MAX", 50)
    monkeypatch.setattr("touchstream.streams.upkeep.rederivation.PENDING_ROWS_MAX", 20)
    flush = _Replay._flush
    for flushes in (1, 4):
        left = iter(range(flushes))

        def flush_or_crash(replay: _Replay, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Crash
            flush(replay)

        with monkeypatch.context() as patched:
            patched.setattr(_Replay, "_flush", flush_or_crash)
            with pytest.raises(Crash):
                replayed(stand, NEW, since)
    with pytest.raises(EditionError, match="not filled"):
        edition_of(stand.settings, editions(connect_directly(settings.clickhouse_url))[0].version)
    whole = replayed(stand, NEW, since)
    client = connect_directly(database_url(settings.clickhouse_url, whole))
    before = {table: rows(client, table) for table in DERIVED}
    assert replayed(stand, NEW) == whole
    fresh = stand.fresh(NEW)
    assert panes(client, since) == panes(fresh, since) != []
    for table in DERIVED:
        assert rows(client, table) == before[table], table


def test_old_events_that_arrive_while_history_is_copied_count_once(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 100))
    measure(settings)
    copied: list[bool] = []

    def copy_late(client: Client, *arguments: Any) -> bool:
        if not copied:
            stand.publish(*events(100, 100))
            measure(settings)
        copied.append(copy_history(client, *arguments))
        return copied[-1]

    monkeypatch.setattr("touchstream.streams.upkeep.rederivation.copy_history", copy_late)
    switch(stand.settings, replayed(stand, NEW, NOON_MS + HOUR_MS))
    assert copied == [False, True]
    found = metrics(stand.in_force, topic=settings.topic)
    assert found == metrics(connect_directly(settings.clickhouse_url), topic=settings.topic)


def test_who_only_reads_follows_to_the_edition_in_force(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 20))
    measure(settings)

    async def before_and_after() -> list[list[str | None]]:
        reader, found = CustomerReader(settings.clickhouse_url, settings.topic), []
        for step in range(2):
            if step:
                switch(stand.settings, replayed(stand, NEW))
            view = await reader.view("p3", False, Onlooker("page", ""))
            assert view
            found.append([one.stage for one in view.journeys])
        return found

    assert asyncio.run(before_and_after()) == [["discover"], ["browse"]]


def test_switches_in_the_log_count_from_where_the_edition_was_begun(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 100))
    measure(settings)
    stand.init({"cart": "else"})
    stand.publish(*events(100, 100))
    measure(settings)
    database = replayed(stand, NEW)
    client = connect_directly(database_url(settings.clickhouse_url, database))
    assert "else" not in {row["stage"] for row in metrics(client, by=("stage",), topic=settings.topic)}
    stand.init({"cart": "third"})
    stand.publish(*events(200, 100))
    assert replayed(stand, NEW) == database
    found = {row["stage"]: row["touches"] for row in metrics(client, by=("stage",), topic=settings.topic)}
    assert 0 < found["third"] < 60


def test_rows_that_do_not_follow_from_the_log_go_along_and_old_tables_can_be_used_again(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 50))
    measure(settings)
    base = connect_directly(settings.clickhouse_url)
    base.insert("alerts_judged", [[settings.topic, "rule"]], column_names=["topic", "rule"])
    switch(stand.settings, replayed(stand, NEW))
    assert stand.in_force.command("SELECT count() FROM alerts_judged FINAL") == 1
    stand.publish(*events(50, 50))
    measure(stand.settings)
    switch(stand.settings, str(base.database))
    measure(stand.settings)
    found = metrics(stand.in_force, topic=settings.topic)[0]
    assert (stand.in_force.database, found["touches"]) == (base.database, 98)


def test_the_commands_say_what_would_be_done_do_it_and_ask_either_version(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 100))
    measure(settings)
    for name in ("kafka_url", "clickhouse_url", "topic"):
        monkeypatch.setenv(f"TOUCHSTREAM_{name.upper()}", str(getattr(settings, name)))

    def said(*arguments: str) -> Any:
        found = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    (old,) = (one["version"] for one in said("definitions", "list"))
    monkeypatch.setenv("TOUCHSTREAM_JOURNEY_FILE", str(stand.with_journey(NEW).journey_file))
    planned = said("definitions", "replay", "--dry-run")
    assert (planned["records"], planned["begun"], len(said("definitions", "list"))) == (103, False, 1)
    done = said("definitions", "replay")
    assert [one["state"] for one in said("definitions", "list")] == ["kept", "in force"]
    stages = {row["stage"] for row in said("metrics")}
    assert stages == {row["stage"] for row in said("metrics", "--definitions", done["version"][:6])}
    assert ("browse" in stages, "discover" in stages) == (True, True)
    assert "browse" not in {row["stage"] for row in said("metrics", "--definitions", old)}
    refused = CliRunner().invoke(app, ["metrics", "--definitions", "nowhere"])
    assert (refused.exit_code, "definitions list" in refused.output) == (1, True)
    again = CliRunner().invoke(app, ["definitions", "replay"])
    assert (again.exit_code, "in force already" in again.output) == (1, True)


def test_the_list_shows_what_an_edition_switched_to_while_it_was_in_force(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 50))
    measure(settings)
    for name in ("kafka_url", "clickhouse_url", "topic"):
        monkeypatch.setenv(f"TOUCHSTREAM_{name.upper()}", str(getattr(settings, name)))

    def listed() -> list[tuple[str, str, str]]:
        found = CliRunner().invoke(app, ["definitions", "list", "--json"], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return [(one["version"], one["database"], one["state"]) for one in json.loads(found.stdout)]

    ((old, base, _),) = listed()
    edition = replayed(stand, NEW)
    switch(stand.settings, edition)
    stand.init({"cart": "else"})
    stand.init(OLD)
    (first, made, other, back), new = listed(), editions(connect_directly(settings.clickhouse_url))[0].version
    assert (first, made) == ((old, base, "kept"), (new, edition, "in force"))
    assert (other[0] not in (old, new), other[1:]) == (True, (edition, "in force"))
    assert back == (old, edition, "in force")
    later = replayed(stand, {"checkout": "later"})
    assert [database for _, database, _ in listed()] == [base, edition, edition, edition, later]
    stand.in_force.command("DROP DATABASE {name:Identifier}", {"name": later}, use_database=False)
    assert len(listed()) == 5


def test_panes_that_somebody_damaged_are_mended_by_a_replay_of_the_same_definitions(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 100))
    measure(settings)
    before = rows(stand.in_force, "stage_panes")
    stand.in_force.command("TRUNCATE TABLE stage_panes")
    switch(stand.settings, replayed(stand, OLD))
    assert rows(stand.in_force, "stage_panes") == before != []
