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
    watch,
    write_ticks,
)
from tests.support.clickhouse_rows import migrated_database
from tests.support.http_endpoint import Endpoint, endpoint
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.notify.alertmanager import Alertmanager
from touchstream.sinks.notify.notification import NotDelivered, Notification
from touchstream.sinks.notify.post import Post
from touchstream.sinks.notify.slack import Slack
from touchstream.sinks.notify.webhook import Webhook
from touchstream.streams.broker.topics import TopicSpec, ensure_topics
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.watch.delivery import DestinationWorker
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


def worker(tables: AlertTables, hook: Endpoint) -> DestinationWorker:
    return DestinationWorker(tables, Webhook(hook.url))


def test_a_webhook_that_fails_first_is_told_in_order_with_keys(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    hook.answers = [500, 429, 404]
    step_through(tables, client)
    telling = worker(tables, hook)
    for _ in range(4):
        telling.step()
    states = [request.json["state"] for request in hook.requests]
    assert states == [FIRING, FIRING, FIRING, FIRING, RESOLVED]
    keys = [request.headers["Idempotency-Key"] for request in hook.requests]
    assert keys[:4] == [tables.changes()[1].key("touchpoints")] * 4
    assert keys[4] == tables.changes()[0].key("touchpoints")
    assert telling.step() > 0
    assert len(hook.requests) == 5


def test_what_was_not_delivered_survives_a_restart_and_does_not_stop_judging(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    hook.answers = [503]
    step_through(tables, client, INCIDENT[:5])
    worker(tables, hook).step()
    incident(client, 6, INCIDENT[5:])
    watch(tables, rules(CSAT_LOW)).step()
    worker(AlertTables(client, "touchpoints"), hook).step()
    assert [request.json["state"] for request in hook.requests] == [FIRING, FIRING, RESOLVED]


def test_a_crash_after_sending_sends_the_same_key_again(client: Client, hook: Endpoint) -> None:
    class DiesAfterSending(AlertTables):
        def record_delivery(self, *_: str) -> None:
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
    worker(tables, hook).step()
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
    DestinationWorker(tables, topic).step()
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
    assert [change.state for change in tables.undelivered("topic", 9)] == [FIRING]


def test_alertmanager_gets_the_same_labels_when_it_fires_and_when_it_is_resolved(
    client: Client, tables: AlertTables, hook: Endpoint
) -> None:
    step_through(tables, client, destinations=("alertmanager", "slack"))
    DestinationWorker(tables, Alertmanager(hook.url)).step()
    assert {request.path for request in hook.requests} == {"/hook/api/v2/alerts"}
    ((fires,), (ends,)) = (request.json for request in hook.requests)
    assert fires["labels"] == ends["labels"]
    assert (fires["labels"]["alertname"], fires["labels"]["stage"]) == ("csat_low", "support")
    assert fires["startsAt"] < ends["endsAt"] < fires["endsAt"]


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


def test_a_redirect_is_not_followed(hook: Endpoint) -> None:
    hook.answers = [302]
    with pytest.raises(NotDelivered, match="answers 302"):
        Post(hook.url)({}, {})
