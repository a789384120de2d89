"""Files of rules are judged side by side: none touches the alerts of another, and what was there before goes on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.alert_rows import CATALOGUE, CSAT_LOW, at, changes, empty_alert_tables, support, write_ticks
from tests.support.databases import empty_database, migrated_database
from tests.support.http_endpoint import Endpoint, endpoint
from touchstream.schemas.alert_state import Group
from touchstream.schemas.alerts import Rules
from touchstream.sinks.clickhouse.alerts.buckets import BucketTables, RecordedBucket, RuleRun, Snapshot
from touchstream.sinks.clickhouse.alerts.namespaces import Namespace, claim_namespace, namespace_of, shown_namespace
from touchstream.sinks.clickhouse.alerts.rounds import newest_round, record_round
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.migrations.migrate import Migrating, known_migrations, migrate
from touchstream.sinks.notify.alertmanager import WATCHDOG, Alertmanager
from touchstream.sinks.notify.notification import Notification
from touchstream.sinks.notify.webhook import Webhook
from touchstream.streams.watch.delivery import DestinationWorker
from touchstream.streams.watch.judge import FIRING, RESOLVED
from touchstream.streams.watch.kafka_destination import _message_key
from touchstream.streams.watch.policy import Telling
from touchstream.streams.watch.watch import Watch

pytestmark = pytest.mark.stack

TOPIC = "touchpoints"
RUN = RuleRun("r", "digest", 0)
SUPPORT = Group("customer", "support")


@pytest.fixture(scope="module")
def database(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def client(database: Client) -> Client:
    empty_alert_tables(database)
    for table in ("alert_buckets", "alert_snapshots", "watch_rounds"):
        database.command(f"TRUNCATE TABLE {table}")
    return database


class Team:
    """A file of rules with its watch and its webhook."""

    def __init__(self, client: Client, file: str, *rules: str) -> None:
        text = "format: 1\nrules:\n" + "".join(f"  - {rule}\n" for rule in rules) if rules else "format: 1\nrules: []\n"
        self.rules, self._client = Rules(text, file), client
        self.namespace = claim_namespace(client, TOPIC, self.rules.namespace)
        self.tables = AlertTables(client, TOPIC, self.namespace.stored)

    def judge(self) -> None:
        Watch(self.tables, self.rules, CATALOGUE, ("webhook", "alertmanager")).step()

    def told(self, destination: Webhook | Alertmanager) -> None:
        telling = DestinationWorker(self.tables, destination, telling=Telling(self.rules, self.namespace.name))
        for _ in range(5):
            telling.step()


def low(below: int) -> str:
    return CSAT_LOW.replace(", for: 20s", "").replace("60", str(below))


@pytest.fixture
def hook() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


def test_two_files_with_the_same_rule_have_alerts_states_and_destinations_of_their_own(client: Client) -> None:
    one, other = Team(client, "one.yaml", low(60)), Team(client, "other.yaml", low(50))
    write_ticks(client, [(0, [support(csat=55.0)])])
    with endpoint() as first, endpoint() as second:
        for tick, csat in ((1, 45.0), (2, 55.0)):
            one.judge()
            other.judge()
            write_ticks(client, [(tick, [support(csat=csat)])])
        one.judge()
        other.judge()
        one.told(Webhook(first.url))
        other.told(Webhook(second.url))
    assert [request.json["state"] for request in first.requests] == [FIRING]
    assert [request.json["state"] for request in second.requests] == [FIRING, RESOLVED]
    assert {request.json["namespace"] for request in first.requests} == {"one"}
    assert {request.json["namespace"] for request in second.requests} == {"other"}
    assert len({request.json["alert"] for request in (*first.requests, *second.requests)}) == 2
    assert one.tables.cursors() == other.tables.cursors() == {"csat_low": at(2)}
    assert len(AlertTables(client, TOPIC, None).alerts()) == 2


def test_a_file_without_rules_ends_its_own_alerts_only(client: Client) -> None:
    one, other = Team(client, "one.yaml", low(60)), Team(client, "other.yaml", low(60))
    write_ticks(client, [(0, [support(csat=1.0)])])
    one.judge()
    other.judge()
    Team(client, "other.yaml").judge()
    assert [alert.state for alert in one.tables.alerts()] == [FIRING]
    assert [(alert.state, alert.verdict) for alert in other.tables.alerts()] == [(RESOLVED, "retired")]


def test_alertmanager_and_kafka_tell_alerts_of_two_files_apart(client: Client, hook: Endpoint) -> None:
    one, other = Team(client, "one.yaml", low(60)), Team(client, "other.yaml", low(60))
    write_ticks(client, [(0, [support(csat=1.0)])])
    for team in (one, other):
        team.judge()
        team.told(Alertmanager(hook.url, team.namespace.stored))
    labels = [alert["labels"] for request in hook.requests for alert in request.json]
    named = {(one["alertname"], one.get("namespace")) for one in labels}
    assert named == {("csat_low", None), (WATCHDOG, None), ("csat_low", "other"), (WATCHDOG, "other")}
    (change,) = other.tables.changes()
    assert change.key(TOPIC) != one.tables.changes()[0].key(TOPIC)
    keys = [_message_key(Notification.of(change, TOPIC), team.namespace.stored) for team in (one, other)]
    assert keys == [b"csat_low|journey=customer|stage=support", b"other/csat_low|journey=customer|stage=support"]


def buckets_of(client: Client, namespace: str) -> BucketTables:
    return BucketTables(client, TOPIC, namespace)


def test_two_files_share_no_evidence(client: Client) -> None:
    start_ms = at(0) // 300_000 * 300_000
    for namespace, count in (("", 1), ("other", 2)):
        tables = buckets_of(client, namespace)
        tables.record(RUN, [RecordedBucket(start_ms, 11.5, {SUPPORT: [count]})])
        tables.record_snapshot(Snapshot(RUN, start_ms, [SUPPORT], bytes([count])))
    for namespace, count in (("", 1), ("other", 2)):
        tables = buckets_of(client, namespace)
        (bucket,) = tables.recorded(RUN, start_ms, start_ms + 1)
        snapshot = tables.snapshot("r", "digest")
        assert bucket.counts == {SUPPORT: [count]}
        assert snapshot is not None
        assert snapshot.content == bytes([count])


def test_a_namespace_whose_watch_is_silent_is_reported_though_another_judges(client: Client) -> None:
    record_round(client, TOPIC, 3, 10_000, at(1))
    record_round(client, TOPIC, 2, 10_000, at(0), "other")
    both = newest_round(client, TOPIC)
    assert both is not None
    assert (both.rules, both.judged_to_ms, both.namespace, both.is_silent) == (5, at(0), "other", False)
    row = [TOPIC, "gone", 1, 10_000, instant(at(9)), datetime.now(UTC) - timedelta(minutes=1)]
    client.insert("watch_rounds", [row], ["topic", "namespace", "rules", "step_ms", "judged_to", "written_at"])
    silent = newest_round(client, TOPIC)
    assert silent is not None
    assert (silent.namespace, silent.is_silent) == ("gone", True)
    record_round(client, TOPIC, 0, 0, 0, "gone")
    ended = newest_round(client, TOPIC)
    assert ended is not None
    assert ended.is_silent is False


def test_of_two_files_that_begin_at_one_moment_one_has_the_plain_rows(client: Client) -> None:
    names = ("b", "a", "c", "d")
    with ThreadPoolExecutor(4) as together:
        claimed = list(together.map(lambda name: claim_namespace(client, TOPIC, name), names))
    assert sorted(one.stored == "" for one in claimed) == [False, False, False, True]
    first = shown_namespace(client, TOPIC)
    assert [claim_namespace(client, TOPIC, name) for name in names] == claimed
    assert namespace_of(client, TOPIC, first) == Namespace(first, "")


def test_a_stack_from_before_namespaces_goes_on_without_a_second_notification(
    clickhouse_url: str, hook: Endpoint
) -> None:
    with empty_database(clickhouse_url) as client:
        migrate(client, Migrating(), known_migrations()[:23])
        place = {"topic": TOPIC, "rule": "csat_low", "group_key": list(SUPPORT.key)}
        alert = place | {"tick": instant(at(1)), "state": FIRING, "since": instant(at(0)), "verdict": "breach"}
        fired = place | {"tick": instant(at(0)), "state": FIRING, "since": instant(at(0)), "verdict": "breach"}
        key = "0f" * 16
        changed = fired | {"key": key, "destinations": ["webhook"]}
        judged = {"topic": TOPIC, "rule": "csat_low", "tick": instant(at(1))}
        delivered = {"destination": "webhook", "key": key, "outcome": "delivered"}
        for table, one in (
            ("alerts", alert),
            ("alert_changes", changed),
            ("alerts_judged", judged),
            ("alert_deliveries", delivered),
        ):
            client.insert(table, [list(one.values())], list(one))
        migrate(client, Migrating())
        team = Team(client, "support rules.yaml", low(60))
        assert team.namespace == Namespace("support-rules", "")
        write_ticks(client, [(1, [support(csat=1.0)]), (2, [support(csat=1.0)])])
        team.judge()
        team.told(Webhook(hook.url))
        assert hook.requests == []
        write_ticks(client, [(3, [support(csat=90.0)])])
        team.judge()
        team.told(Webhook(hook.url))
        assert [(request.json["state"], request.json["namespace"]) for request in hook.requests] == [
            (RESOLVED, "support-rules")
        ]
        assert changes(team.tables) == [(at(0), FIRING), (at(3), RESOLVED)]


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
