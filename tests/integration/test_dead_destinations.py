"""A destination that stays dead is told of elsewhere; a sign of life is sent while alerts are judged, and only then."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.alert_rows import CSAT_LOW, empty_alert_tables, row, rules, support, watch, write_ticks
from tests.support.databases import migrated_database
from tests.support.http_endpoint import Endpoint, endpoint
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.notify.alertmanager import WATCHDOG, Alertmanager
from touchstream.sinks.notify.heartbeat import Heartbeat
from touchstream.sinks.notify.slack import Slack
from touchstream.sinks.notify.webhook import Webhook
from touchstream.streams.watch.dead_destinations import DEAD_RULE, DEAD_SECONDS, DeadDestinations
from touchstream.streams.watch.delivery import REMIND_SECONDS, DestinationWorker
from touchstream.streams.watch.judge import FIRING, RESOLVED
from touchstream.streams.watch.policy import Telling

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def database(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def tables(database: Client) -> AlertTables:
    empty_alert_tables(database)
    return AlertTables(database, "touchpoints")


@pytest.fixture
def hook() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


class Pair:
    """A webhook and Slack, each with its worker, on a clock of one's own."""

    def __init__(self, tables: AlertTables, hook: Endpoint, slack: Endpoint) -> None:
        self.now = 0.0
        self.tables, self.slack = tables, slack
        self.webhook = DestinationWorker(tables, Webhook(hook.url), lambda: self.now)
        self.other = DestinationWorker(tables, Slack(slack.url), lambda: self.now)

    def step(self, seconds: float = 0) -> list[str]:
        """What Slack hears after so many seconds."""
        self.now += seconds
        self.slack.requests.clear()
        self.webhook.step()
        DeadDestinations(self.tables, {"webhook": self.webhook.trouble, "slack": self.other.trouble}).step()
        for _ in range(3):
            self.other.step()
        return [request.json["text"] for request in self.slack.requests]


def fires(database: Client, tables: AlertTables, tick: int = 0, csat: float = 1.0) -> None:
    write_ticks(database, [(tick, [support(csat=csat)])])
    watch(tables, rules(CSAT_LOW.replace(", for: 20s", "")), ("webhook",)).step()


def dead_states(tables: AlertTables) -> list[str]:
    return [alert.state for alert in tables.alerts([DEAD_RULE])]


def test_a_destination_that_stays_dead_is_told_of_elsewhere_once_and_also_when_it_is_back(
    database: Client, tables: AlertTables, hook: Endpoint
) -> None:
    with endpoint() as slack:
        pair = Pair(tables, hook, slack)
        fires(database, tables)
        hook.answers = [500] * 4
        assert pair.step() == []
        assert pair.step(DEAD_SECONDS - 1) == []
        (told,) = pair.step(1)
        assert "webhook has taken no notification for 15 min: answers 500" in told
        assert told.startswith("🔴 FIRING touchstream:destination in channel webhook")
        assert pair.step(60) == []
        fires(database, tables, 1)  # a watch that is started anew does not end it
        assert dead_states(tables) == [FIRING]
        again = Pair(tables, hook, slack)
        (ended,) = [*again.step(), *again.step(60)]
        assert "webhook takes notifications again" in ended
        assert dead_states(tables) == [RESOLVED]
        assert [request.json["rule"] for request in hook.requests][-1] == "csat_low"


def test_a_destination_that_takes_other_alerts_is_not_dead(
    database: Client, tables: AlertTables, hook: Endpoint
) -> None:
    with endpoint() as slack:
        pair = Pair(tables, hook, slack)
        write_ticks(database, [(0, [row("browse", csat=1.0), support(csat=1.0)])])
        watch(tables, rules(CSAT_LOW.replace(", for: 20s", "")), ("webhook",)).step()
        hook.answers = [500, 200, 500, 500]  # one alert is never taken, the other one is
        for _ in range(3):
            pair.step(DEAD_SECONDS / 2)
        assert [request.json["stage"] for request in hook.requests] == ["browse", "support", "browse", "browse"]
        assert pair.webhook.trouble().failing_seconds == DEAD_SECONDS / 2
        assert dead_states(tables) == []


def test_a_sign_of_life_comes_each_minute_while_alerts_are_judged_and_only_then(
    database: Client, tables: AlertTables, hook: Endpoint
) -> None:
    write_ticks(database, [(0, [support(csat=1.0)])])
    watch(tables, rules(CSAT_LOW.replace(", for: 20s", "")), ()).step()
    now, judging = [0.0], [True]
    telling = Telling(is_judging=lambda: judging[0])
    both = [
        DestinationWorker(tables, one, lambda: now[0], telling) for one in (Heartbeat(hook.url), Alertmanager(hook.url))
    ]

    def signs(seconds: float) -> list[object]:
        now[0] += seconds
        hook.requests.clear()
        for one in both:
            one.step()
        found = [request.json for request in hook.requests]
        return [one if isinstance(one, dict) else one[0]["labels"]["alertname"] for one in found]

    beat = {"service": "touchstream watch", "firing": 1}
    assert signs(0) == [beat, "csat_low", WATCHDOG]
    assert signs(REMIND_SECONDS / 2) == []
    assert signs(REMIND_SECONDS / 2) == [beat, "csat_low", WATCHDOG]
    judging[0] = False
    assert signs(REMIND_SECONDS * 5) == []
    judging[0] = True
    assert signs(1) == [beat, "csat_low", WATCHDOG]
