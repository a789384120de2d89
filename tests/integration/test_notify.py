"""Everybody is told of alerts, in order, at least once and with a key, whoever was away meanwhile."""

import base64
from collections.abc import Iterator

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from kafka import KafkaConsumer

from tests.support.alert_rows import (
    CSAT_LOW,
    INCIDENT,
    Died,
    empty_alert_tables,
    incident,
    row,
    rules,
    step_through,
    support,
    watch,
    write_ticks,
)
from tests.support.databases import migrated_database
from tests.support.http_endpoint import Endpoint, dripping, endpoint
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.notify.alertmanager import WATCHDOG, Alertmanager
from touchstream.sinks.notify.notification import NotDelivered, Notification
from touchstream.sinks.notify.post import Post
from touchstream.sinks.notify.slack import Slack
from touchstream.sinks.notify.webhook import Webhook
from touchstream.streams.broker.topics import TopicSpec, ensure_topics
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.watch.delivery import AWAY_AFTER, REMIND_SECONDS, DestinationWorker
from touchstream.streams.watch.judge import FIRING, RESOLVED
from touchstream.streams.watch.kafka_destination import AlertsTopic

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def database(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def client(database: Client) -> Client:
    empty_alert_tables(database)
    return database


@pytest.fixture
def tables(client: Client) -> AlertTables:
    return AlertTables(client, "touchpoints")


@pytest.fixture
def hook() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


class HandClock:
    """Seconds that go by when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def worker(tables: AlertTables, hook: Endpoint) -> DestinationWorker:
    return DestinationWorker(tables, Webhook(hook.url))


def told(hook: Endpoint) -> list[tuple[str, str]]:
    return [(request.json["stage"], request.json["state"]) for request in hook.requests]


def until_nothing_waits(telling: DestinationWorker) -> None:
    for _ in range(10):
        telling.step()


def test_a_webhook_that_fails_first_is_told_in_order_with_keys(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    hook.answers = [500, 429, 400, 404]
    step_through(tables, client)
    clock = HandClock()
    telling = DestinationWorker(tables, Webhook(hook.url), clock)
    waits = []
    for _ in range(8):
        waits.append(telling.step())
        clock.now += waits[-1]
    states = [request.json["state"] for request in hook.requests]
    assert states == [FIRING] * 5 + [RESOLVED]
    assert waits[:4] == [1.0, 2.0, 5.0, 10.0]
    keys = [request.headers["Idempotency-Key"] for request in hook.requests]
    assert keys[:5] == [tables.changes()[1].key("touchpoints")] * 5
    assert keys[5] == tables.changes()[0].key("touchpoints")
    assert waits[-1] > 0


def stages_low(client: Client, tables: AlertTables, *stages: str) -> None:
    """Stages of which each has an alert that fires."""
    write_ticks(client, [(0, [row(stage, csat=1.0) for stage in stages])])
    watch(tables, rules(CSAT_LOW.replace(", for: 20s", ""))).step()


def test_a_notification_that_is_never_taken_holds_up_no_other_alert(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    stages_low(client, tables, "browse", "support", "use", "welcome")
    hook.answers = [500] * 2
    clock = HandClock()
    telling = DestinationWorker(tables, Webhook(hook.url), clock)
    telling.step()
    assert [stage for stage, _ in told(hook)] == ["browse", "support", "use", "welcome"]
    clock.now += 0.5
    telling.step()
    assert len(hook.requests) == 4
    clock.now += 0.5
    telling.step()
    assert sorted(stage for stage, _ in told(hook)[4:]) == ["browse", "support"]


def test_a_destination_that_is_away_is_not_tried_for_each_alert(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    stages_low(client, tables, *(f"stage {number}" for number in range(20)))
    hook.answers = [503] * 3
    clock = HandClock()
    telling = DestinationWorker(tables, Webhook(hook.url), clock)
    assert telling.step() == 1.0
    assert len(hook.requests) == AWAY_AFTER
    clock.now += 1.0
    telling.step()
    assert len({stage for stage, _ in told(hook)}) == 20


def aged(client: Client, hours: int) -> None:
    """As if all changes had been found so long ago."""
    client.command(
        "INSERT INTO alert_changes SELECT * REPLACE (written_at - toIntervalHour({hours:UInt32}) AS written_at) "
        "FROM alert_changes FINAL",
        {"hours": hours},
    )


def test_a_destination_that_comes_back_after_a_day_hears_how_alerts_stand_and_by_how_much_it_is_late(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    step_through(tables, client)
    write_ticks(client, [(n, [row("use", csat=1.0), support(csat=85.0)]) for n in range(8, 12)])
    watch(tables, rules(CSAT_LOW)).step()
    aged(client, 30)
    until_nothing_waits(worker(tables, hook))
    assert sorted(told(hook)) == [("support", RESOLVED), ("use", FIRING)]
    assert {request.json["late_by_seconds"] // 3_600 for request in hook.requests} == {30}
    outcomes = client.query("SELECT outcome FROM alert_deliveries WHERE outcome != 'delivered'").result_rows
    assert outcomes == [("refused: not taken within 24 h, and over meanwhile",)]


def test_a_notification_in_time_does_not_say_that_it_is_late(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    step_through(tables, client)
    until_nothing_waits(worker(tables, hook))
    assert [request.json["late_by_seconds"] for request in hook.requests] == [None, None]


def test_a_notification_that_was_not_delivered_survives_a_restart_and_does_not_stop_judging(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    hook.answers = [503]
    step_through(tables, client, INCIDENT[:5])
    worker(tables, hook).step()
    incident(client, 6, INCIDENT[5:])
    watch(tables, rules(CSAT_LOW)).step()
    until_nothing_waits(worker(AlertTables(client, "touchpoints"), hook))
    assert [request.json["state"] for request in hook.requests] == [FIRING, FIRING, RESOLVED]


def test_a_crash_after_sending_sends_the_same_key_again(client: Client, hook: Endpoint) -> None:
    class DiesAfterSending(AlertTables):
        def record_delivery(self, *_: object) -> None:
            raise Died

    step_through(AlertTables(client, "touchpoints"), client, INCIDENT[:4])
    with pytest.raises(Died):
        worker(DiesAfterSending(client, "touchpoints"), hook).step()
    worker(AlertTables(client, "touchpoints"), hook).step()
    keys = [request.headers["Idempotency-Key"] for request in hook.requests]
    assert len(keys) == 2
    assert len({*keys}) == 1


def test_a_webhook_that_refuses_for_good_does_not_hold_up_the_others(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    hook.answers = [422]
    step_through(tables, client)
    until_nothing_waits(worker(tables, hook))
    assert [request.json["state"] for request in hook.requests] == [FIRING, RESOLVED]
    outcomes = client.query("SELECT outcome FROM alert_deliveries ORDER BY outcome").result_rows
    assert outcomes == [("delivered",), ("refused: answers 422",)]


def test_a_destination_that_is_new_is_not_told_of_the_past(client: Client, tables: AlertTables, hook: Endpoint) -> None:
    step_through(tables, client, destinations=("topic",))
    worker(tables, hook).step()
    assert hook.requests == []


def test_the_topic_gets_every_notification_by_rule_and_group(client: Client, kafka_url: str, unique_name: str) -> None:
    connection = KafkaConnection.from_url(kafka_url)
    ensure_topics(connection, [TopicSpec(unique_name, 2, 1)])
    tables = AlertTables(client, "touchpoints")
    step_through(tables, client, destinations=("topic",))
    topic = AlertsTopic(connection, unique_name)
    until_nothing_waits(DestinationWorker(tables, topic))
    topic.close()
    consumer = KafkaConsumer(
        unique_name, auto_offset_reset="earliest", consumer_timeout_ms=20_000, **connection.client_options()
    )
    messages = [next(consumer) for _ in range(2)]
    consumer.close()
    said = [msgspec.json.decode(message.value, type=Notification) for message in messages]
    assert [one.state for one in said] == [FIRING, RESOLVED]
    assert {message.key for message in messages} == {b"csat_low|journey=customer|stage=support"}
    assert [dict(message.headers)["idempotency-key"] for message in messages] == [one.key.encode() for one in said]
    assert (said[0].value, said[0].n, said[0].completeness) == (40.0, 200, 1.0)


def test_kafka_that_is_away_is_told_later(client: Client, tables: AlertTables) -> None:
    step_through(tables, client, INCIDENT[:4], ("topic",))
    DestinationWorker(tables, AlertsTopic(KafkaConnection.from_url("kafka://127.0.0.1:1"))).step()
    assert [one.change.state for one in tables.undelivered("topic", 9)] == [FIRING]


def test_alertmanager_gets_the_same_labels_when_it_fires_and_when_it_is_resolved(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    step_through(tables, client, destinations=("alertmanager", "slack"))
    until_nothing_waits(DestinationWorker(tables, Alertmanager(hook.url)))
    assert {request.path for request in hook.requests} == {"/hook/api/v2/alerts"}
    said = [request.json[0] for request in hook.requests]
    fires, ends = (one for one in said if one["labels"]["alertname"] != WATCHDOG)
    assert fires["labels"] == ends["labels"]
    assert (fires["labels"]["alertname"], fires["labels"]["stage"]) == ("csat_low", "support")
    assert fires["startsAt"] < ends["endsAt"] < fires["endsAt"]


def test_alertmanager_is_reminded_each_minute_of_what_fires_and_of_the_watchdog(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    step_through(tables, client, INCIDENT[:4], destinations=("alertmanager",))
    clock = HandClock()
    telling = DestinationWorker(tables, Alertmanager(hook.url), clock)

    def names() -> list[list[str]]:
        found = [[one["labels"]["alertname"] for one in request.json] for request in hook.requests]
        hook.requests.clear()
        return found

    telling.step()
    assert names() == [["csat_low"], ["csat_low"], [WATCHDOG]]
    clock.now += REMIND_SECONDS / 2
    telling.step()
    assert names() == []
    clock.now += REMIND_SECONDS / 2
    telling.step()
    assert names() == [["csat_low"], [WATCHDOG]]
    incident(client, 5, INCIDENT[4:])
    watch(tables, rules(CSAT_LOW), ("alertmanager",)).step()
    until_nothing_waits(telling)
    clock.now += REMIND_SECONDS
    telling.step()
    assert names()[-1] == [WATCHDOG]
    assert ["csat_low"] not in names()


def test_slack_gets_a_line_in_which_no_name_can_call_everybody(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    write_ticks(client, [(0, [row("<!channel>", csat=1.0)])])
    watch(tables, rules(CSAT_LOW.replace(", for: 20s", "")), ("slack",)).step()
    DestinationWorker(tables, Slack(hook.url)).step()
    (request,) = hook.requests
    assert request.json["text"].startswith(
        "🔴 FIRING csat_low in stage &lt;!channel&gt;: Unhappy (csat 1.0 [75.5, 86.2], n 200;"
    )


def test_a_webhook_is_told_with_the_password_of_its_url_and_errors_do_not_name_it(hook: Endpoint) -> None:
    secret = hook.url.replace("//", "//me:s3%20cret@")
    Post(secret)({}, {})
    assert hook.requests[0].headers["Authorization"] == "Basic " + base64.b64encode(b"me:s3 cret").decode()
    hook.answers = [500]
    for url in (secret, "http://me:s3cret@127.0.0.1:1/token"):
        with pytest.raises(NotDelivered) as error:
            Post(url)({}, {})
        assert not any(part in str(error.value) for part in ("s3", "token", "hook"))


@pytest.mark.parametrize("part", ["head", "status"])
def test_an_answer_that_comes_byte_by_byte_has_a_deadline(part: str) -> None:
    beginning = {"head": b"HTTP/1.1 200 OK\r\nX: ", "status": b"HTTP/1.1 200 "}[part]
    with dripping(beginning) as url, pytest.raises(NotDelivered, match="no answer: TimeoutError"):
        Post(url, deadline_seconds=0.5)({}, {})


def test_an_answer_without_end_is_taken_by_its_status() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n") as url:
        Post(url, deadline_seconds=60)({}, {})


def test_an_answer_that_is_no_http_is_tried_again_later() -> None:
    with dripping(b"SSH-2.0-OpenSSH\r\n\r\n") as url, pytest.raises(NotDelivered, match="no answer"):
        Post(url, deadline_seconds=5)({}, {})


def test_a_redirect_is_not_followed(hook: Endpoint) -> None:
    hook.answers = [302]
    with pytest.raises(NotDelivered, match="answers 302"):
        Post(hook.url)({}, {})
