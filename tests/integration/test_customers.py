"""One view of a person is what the person's touches say, whatever ids they came under."""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from tests.integration.test_journeys import JOURNEYS, NOWHERE, WAYS, events, write
from tests.oracle import journeys as oracle
from tests.support.clickhouse_rows import HOUR_MS, NOON_MS, lane, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas.paths import stage_paths
from touchstream.sinks.clickhouse.customers import clv
from touchstream.sinks.clickhouse.customers.find import LISTED_MAX, customer
from touchstream.sinks.clickhouse.lanes.definitions import record_definitions
from touchstream.sinks.clickhouse.metrics.journeys import record_stages
from touchstream.sinks.clickhouse.sql import query_text

pytestmark = pytest.mark.stack

DAY_MS = 24 * HOUR_MS


@pytest.fixture(scope="module")
def database(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        record_definitions(client, "v1", "{}", in_force=True)
        record_stages(client, "v1", stage_paths(JOURNEYS.journeys))
        client.insert_arrow("lanes", table("lanes", [lane()]))
        yield client


@pytest.fixture
def client(database: Client) -> Client:
    for name in ("touchpoints", "journey_touches", "identities", "clv_parameters"):
        database.command(f"TRUNCATE TABLE {name}")
    return database


def ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


def told(seed: int) -> list[dict[str, Any]]:
    """Touches of a few people that also say and pay something."""
    found = []
    for place, row in enumerate(events(seed)):
        bought = row["action"] == "purchase"
        found.append(
            row
            | {
                "nps": place % 11 if place % 7 == 0 else None,
                "sentiment_micro": place * 1000 if place % 5 == 0 else None,
                "revenue_minor": 100 + place if bought else -50 if place % 9 == 0 else None,
                "currency": "EUR" if place % 2 else "GBP",
            }
        )
    return found


def of_person(rows: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """All touches of a person, in order; an event that was sent twice stands once."""
    found = [dict(one) for (_, _, who), touches in oracle.people(rows).items() if who == name for one in touches]
    return sorted(found, key=lambda one: (one["occurred_at"], one["event_id"].encode()))


@pytest.mark.parametrize("seed", range(4))
def test_a_view_says_what_the_persons_own_touches_say(client: Client, seed: int) -> None:
    rows = told(seed)
    write(client, rows)
    write(client, rows[:150])
    for name in ("ann", "bob", "cem", "dee"):
        view = customer(client, name)
        mine = of_person(rows, name)
        assert view is not None
        assert (view.customer_id, view.touches) == (name, len(mine))
        assert (ms(view.first_at), ms(view.last_at)) == (mine[0]["occurred_at"], mine[-1]["occurred_at"])
        assert view.purchases == sum(one["action"] == "purchase" for one in mine)
        assert {one.channel: one.touches for one in view.channels} == Counter(one["channel"] for one in mine)
        brought = Counter[str]()
        for one in mine:
            brought[one["currency"]] += one["revenue_minor"] or 0
        assert {one.currency: one.clv_minor for one in view.value} == dict(brought)
        answers = [(one["occurred_at"], one["nps"]) for one in mine if one["nps"] is not None]
        assert sorted((ms(one.at), one.score) for one in view.scores) == sorted(answers)
        felt = [one["sentiment_micro"] / 1e6 for one in mine if one["sentiment_micro"] is not None]
        assert view.sentiment is not None
        assert (view.sentiment.n, view.sentiment.newest) == (len(felt), felt[-1])
        assert view.sentiment.mean == pytest.approx(statistics.mean(felt))


@pytest.mark.parametrize("seed", range(4))
def test_stages_and_losses_are_those_of_the_definitions(client: Client, seed: int) -> None:
    rows = events(seed)
    write(client, rows)
    for (journey, known, name), touches in oracle.people(rows).items():
        view = customer(client, name, anonymous=not known)
        assert view is not None
        way = WAYS.get(journey, NOWHERE)
        expected = [
            (
                one.stage, one.pass_, one.entered, one.last, one.left, one.next_stage or None, one.progressed,
                one.outcome(way, NOON_MS), one.after_end,
            )
            for one in oracle.visits(touches, way)
        ]  # fmt: skip
        found = [
            (
                one.stage, one.pass_number, ms(one.entered_at), ms(one.last_touch_at), ms(one.left_at), one.next_stage,
                ms(one.progressed_at), one.outcome, one.after_end,
            )
            for one in reversed(view.visits) if one.journey == journey
        ]  # fmt: skip
        (standing,) = [one for one in view.journeys if one.journey == journey]
        assert found == expected[-len(found) :]
        assert len(found) == len(expected) or view.left_out.visits
        assert (standing.stage, ms(standing.stage_since)) == (expected[-1][0], expected[-1][2])
        assert standing.stage_ms == NOON_MS - expected[-1][2]
        assert standing.outcome == expected[-1][7]
        losses = [at for at in oracle.lost_at(touches, way) if touches[-1]["occurred_at"] <= at <= NOON_MS]
        assert (ms(standing.lost_at), standing.active) == ((losses[-1], False) if losses else (None, True))


def test_an_anonymous_id_shows_the_customer_it_was_identified_as(client: Client) -> None:
    alone = touchpoint(1, customer_id="", anonymous_id="x", channel="app")
    write(client, [alone, touchpoint(2, customer_id="", anonymous_id="y")])
    unknown = customer(client, "x")
    assert unknown is not None
    assert (unknown.customer_id, unknown.anonymous_ids, unknown.name) == (None, ["x"], "x")
    write(
        client,
        [touchpoint(3, customer_id="bob", anonymous_id="x", action="identify"), touchpoint(4, customer_id="bob")],
    )
    known = customer(client, "x")
    assert known == customer(client, "bob")
    assert known is not None
    assert (known.customer_id, known.anonymous_ids, known.touches) == ("bob", ["x"], 2)


def test_a_disputed_id_counts_for_the_first_and_is_shown_to_both(client: Client) -> None:
    claims = [
        touchpoint(2, customer_id="bob", anonymous_id="x", action="identify", occurred_at=NOON_MS + 2),
        touchpoint(3, customer_id="ann", anonymous_id="x", action="identify", occurred_at=NOON_MS + 1),
    ]
    write(client, [touchpoint(1, customer_id="", anonymous_id="x"), *claims])
    ann, bob = customer(client, "ann"), customer(client, "bob")
    assert ann is not None and bob is not None
    assert (ann.anonymous_ids, ann.touches) == (["x"], 1)
    assert (bob.anonymous_ids, bob.touches) == ([], 0)
    assert ann.disputed == bob.disputed
    assert (ann.disputed[0].customer_id, ann.disputed[0].claimed_by) == ("ann", ["ann", "bob"])


def test_a_customer_and_an_anonymous_id_of_one_name_are_told_apart(client: Client) -> None:
    write(client, [touchpoint(1, customer_id="eve", channel="app"), touchpoint(2, customer_id="", anonymous_id="eve")])
    first, other = customer(client, "eve"), customer(client, "eve", anonymous=True)
    assert first is not None and other is not None
    assert (first.customer_id, first.namesake, [one.channel for one in first.channels]) == ("eve", True, ["app"])
    assert (other.customer_id, other.namesake, [one.channel for one in other.channels]) == (None, False, ["web"])


def test_whoever_was_never_met_is_nobody(client: Client) -> None:
    write(client, [touchpoint(1), touchpoint(2, customer_id="", anonymous_id="x")])
    for name in ("", "a", "ann ", "ann' OR 1=1 --", "\\", "{who}", "ü"):
        assert customer(client, name) is None
    assert customer(client, "ann", anonymous=True) is None


def test_lists_are_bounded_and_say_what_they_leave_out(client: Client) -> None:
    many = 3 * LISTED_MAX
    rows = [
        touchpoint(n, occurred_at=NOON_MS + n, journey=f"j{n}", channel=f"c{n}", nps=n % 11, stage=f"s{n % 2}")
        for n in range(many)
    ]
    ids = [touchpoint(many + n, anonymous_id=f"x{n:03}", action="identify") for n in range(many)]
    write(client, [*rows, *ids])
    view = customer(client, "ann")
    assert view is not None
    for name in ("anonymous_ids", "journeys", "visits", "channels", "scores", "recent"):
        assert (len(getattr(view, name)), getattr(view.left_out, name)) == (LISTED_MAX, many - LISTED_MAX), name
    assert view.touches == many
    assert [one.journey for one in view.recent] == [f"j{n}" for n in reversed(range(many - LISTED_MAX, many))]


def test_a_person_is_read_by_key_and_not_by_reading_all_touches(client: Client) -> None:
    rows = [touchpoint(n, customer_id=f"c{n // 8}") for n in range(120_000)]
    anonymous = [touchpoint(n + 200_000, customer_id="", anonymous_id=f"a{n // 8}") for n in range(60_000)]
    says = touchpoint(500_000, customer_id="c77", anonymous_id="a77", action="identify")
    write(client, [*rows, *anonymous, says])
    client.command("OPTIMIZE TABLE journey_touches FINAL")
    for name, touches, known in (("c77", 16, True), ("a78", 8, False)):
        view = customer(client, name)
        assert view is not None
        assert view.touches == touches
        plan = client.query(
            "EXPLAIN indexes = 1 " + query_text("customer_touches"), parameters={"known": known, "person": name}
        ).result_rows
        read = [row[0].split()[-1].split("/") for row in plan if "Granules:" in row[0] and "/" in row[0]]
        assert read
        assert all(int(some) <= 6 < int(total) for some, total in read), plan


def test_value_is_predicted_where_models_were_fitted_as_for_everybody(client: Client) -> None:
    bought = [
        touchpoint(n, occurred_at=NOON_MS - days * DAY_MS, action="purchase", revenue_minor=1000 + n, currency="EUR")
        for n, days in enumerate((60, 40, 30, 2))
    ]
    write(client, bought)
    before = customer(client, "ann")
    assert before is not None
    assert before.value[0].prediction is None
    day = clv.day_before(NOON_MS)
    fitted = clv.ClvParameters(
        currency="EUR", r=0.24, alpha=4.4, a=0.79, b=2.4, p=6.2, q=3.7, v_minor=1500.0, customers=100,
        repeat_customers=50, one_in=1, repeats=200, log_likelihood=-1.0, log_likelihood_value=-1.0, first_day=day,
        last_day=day,
    )  # fmt: skip
    clv.record_parameters(client, fitted, datetime(2026, 1, 1, tzinfo=UTC))
    view = customer(client, "ann")
    assert view is not None
    prediction = view.value[0].prediction
    assert prediction is not None
    (score,) = clv.scores(client, "EUR", last_day=prediction.last_day, person=(True, "ann")).people
    assert (prediction.p_alive, prediction.predicted_clv_minor) == (score.p_alive, score.predicted_clv_minor)
    assert (prediction.n, prediction.version) == (100, fitted.version)


def test_names_that_are_strange_come_back_as_they_were(client: Client) -> None:
    name = "a/b?c#%41\t\n'\"\\<b>ü\u202e"
    write(client, [touchpoint(1, customer_id=name, channel=name, stage=name)])
    view = customer(client, name)
    assert view is not None
    assert (view.name, view.channels[0].channel, view.visits[0].stage) == (name, name, name)
    assert msgspec.json.decode(msgspec.json.encode(view), type=type(view)) == view
