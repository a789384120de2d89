"""One view of a person: read by the key of `journey_touches`, and bounded. The formulas: `customer_*.sql`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.customers import clv
from touchstream.sinks.clickhouse.customers.view import (
    ChannelTouches,
    CustomerView,
    IdentityClaim,
    JourneyStanding,
    LeftOut,
    Prediction,
    Sentiment,
    SurveyAnswer,
    Touch,
    Value,
    Visit,
)
from touchstream.sinks.clickhouse.metrics.exact import FAR_MS, TOPIC, lanes
from touchstream.sinks.clickhouse.sql import query_text

LISTED_MAX: Final = 50
"""Visits, touches and answers, the newest; anonymous ids, journeys and channels."""
CURRENCIES_MAX: Final = 10
SECONDS_MAX: Final = 10
"""Timeout of a query: the client has given up by then."""
_TOUCHES: Final = "customer_touches"
_FIRST_DAY: Final = date(1970, 1, 1)
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class PersonKey:
    """A customer (`known`), else an anonymous id. namesake: the customer's id is an anonymous id as well."""

    known: bool
    name: str
    namesake: bool = False


def find_person(client: Client, wanted: str, anonymous: bool = False) -> PersonKey | None:
    """Whose id it is: a customer's, else an anonymous one, which is the customer's that it was identified as.

    anonymous: look among anonymous ids only. None for an id that was never met.
    """
    if not wanted:
        return None
    (found,) = _rows(client, "customer_known", {"id": wanted})
    if found["customer"] and not anonymous:
        return PersonKey(True, wanted, bool(found["anonymous"]))
    if found["anonymous"]:
        return PersonKey(True, found["owner"]) if found["owner"] else PersonKey(False, wanted)
    return None


def customer(client: Client, wanted: str, anonymous: bool = False, topic: str = TOPIC) -> CustomerView | None:
    """All that is known of the person with this id, which is looked for as `find_person` does; None if there is none.

    topic: whose watermark counts. Raises ClickHouseError.
    """
    person = find_person(client, wanted, anonymous)
    if person is None:
        return None
    watermark_ms = min((lane.watermark_ms for lane in lanes(client, topic)), default=None)
    return _Reading(client, person, watermark_ms).view()


class _Reading:
    """The view of a person, put together of what each query says."""

    def __init__(self, client: Client, person: PersonKey, watermark_ms: int | None) -> None:
        self._client, self._person, self._watermark_ms = client, person, watermark_ms
        self._parameters = {
            "known": person.known, "person": person.name, "most": LISTED_MAX, "raw_from": -FAR_MS, "raw_to": FAR_MS,
            "watermark_ms": -FAR_MS if watermark_ms is None else watermark_ms,
        }  # fmt: skip

    def view(self) -> CustomerView:
        person = self._person
        (total,) = self._rows("customer_totals")
        claims = self._rows("customer_claims") if person.known else []
        own = [row["anonymous_id"] for row in claims if row["customer_id"] == person.name]
        journeys, visits = self._rows("customer_journeys"), self._rows("customer_visits")
        channels, scores = self._rows("customer_channels"), self._rows("customer_scores")
        value = self._rows("customer_value", most=CURRENCIES_MAX)
        recent = self._rows("customer_newest")
        some = total["touches"] > 0
        return CustomerView(
            customer_id=person.name if person.known else None,
            anonymous_ids=own if person.known else [person.name],
            namesake=person.namesake,
            disputed=[_claim(row) for row in claims if row["claims"] > 1],
            as_of=_at(self._watermark_ms),
            segment=total["segment"] or None,
            first_at=_at(total["first_ms"]) if some else None,
            last_at=_at(total["last_ms"]) if some else None,
            touches=total["touches"],
            purchases=total["purchases"],
            sentiment=_sentiment(total),
            journeys=self._standings(journeys, visits),
            visits=[_visit(row) for row in _newest_first(visits)],
            channels=[_channel(row) for row in channels],
            scores=[_answer(row) for row in scores],
            value=[self._value(row) for row in value],
            recent=[_touch(row) for row in recent],
            left_out=LeftOut(
                anonymous_ids=_left_out(claims),
                journeys=_left_out(journeys),
                visits=_left_out(visits),
                channels=_left_out(channels),
                scores=_left_out(scores),
                value=_left_out(value),
                recent=total["touches"] - len(recent),
            ),
        )

    def _rows(self, name: str, **parameters: Any) -> Rows:
        # Visits are visits, whoever's touches they are made of.
        return _rows(self._client, name, self._parameters | parameters, touches=_TOUCHES, scope="all_rows")

    def _standings(self, journeys: Rows, visits: Rows) -> list[JourneyStanding]:
        current = {row["journey"]: row for row in visits if row["current"]}
        return [self._standing(row, current.get(row["journey"])) for row in journeys]

    def _standing(self, row: Mapping[str, Any], visit: Mapping[str, Any] | None) -> JourneyStanding:
        since = None if visit is None else visit["entered_ms"]
        stage_ms = None
        if since is not None and self._watermark_ms is not None:
            stage_ms = max(0, self._watermark_ms - since)
        return JourneyStanding(
            journey=row["journey"],
            first_at=_time(row["first_ms"]),
            last_at=_time(row["last_ms"]),
            touches=row["touches"],
            active=row["lost_ms"] is None,
            lost_at=_at(row["lost_ms"]),
            stage=visit["stage"] if visit else None,
            stage_since=_at(since),
            stage_ms=stage_ms,
            outcome=visit["outcome"] if visit else None,
        )

    def _value(self, row: Mapping[str, Any]) -> Value:
        return Value(
            currency=row["currency"],
            clv_minor=row["clv_minor"],
            purchases=row["purchases"],
            average_order_minor=row["average_order_minor"],
            prediction=self._prediction(row["currency"]) if row["purchases"] else None,
        )

    def _prediction(self, currency: str) -> Prediction | None:
        """As `clv.scores` has it, as of the watermark's day; read from the person's own touches only."""
        if self._watermark_ms is None:
            return None
        try:
            model = clv.parameters_in_force(self._client, currency)
        except clv.ClvError:
            return None
        last_day = _time(self._watermark_ms).date()
        day = (last_day - _FIRST_DAY).days
        asked = {"currency": currency, "currencies": [currency], "last_day": day, "until_day": day, "weeks": clv.WEEKS}
        text = query_text("clv_scores", clv_transactions="customer_transactions")
        rows = self._client.query(text, self._parameters | asked, settings=_SETTINGS).named_results()
        score = next(iter(rows), None)
        if score is None:
            return None
        names = ("p_alive", "expected_purchases", "expected_order_minor", "predicted_clv_minor")
        values = {name: float(score[name]) for name in names}
        return Prediction(**values, weeks=clv.WEEKS, last_day=last_day, version=model.version, n=model.customers)


def _rows(client: Client, name: str, parameters: Mapping[str, Any], **parts: str) -> Rows:
    found = client.query(query_text(name, **parts), parameters=dict(parameters), settings=_SETTINGS)
    return list(found.named_results())


_SETTINGS: Final = {"max_execution_time": SECONDS_MAX}


def _left_out(rows: Rows) -> int:
    """Each row says how many there are."""
    return int(rows[0]["total"]) - len(rows) if rows else 0


def _newest_first(visits: Rows) -> Rows:
    return sorted(visits, key=lambda row: (row["entered_ms"], row["visit"]), reverse=True)


def _claim(row: Mapping[str, Any]) -> IdentityClaim:
    return IdentityClaim(
        anonymous_id=row["anonymous_id"],
        customer_id=row["customer_id"],
        claims=row["claims"],
        claimed_by=list(row["claimed_by"]),
    )


def _visit(row: Mapping[str, Any]) -> Visit:
    left_ms = row["left_ms"]
    return Visit(
        journey=row["journey"],
        stage=row["stage"],
        pass_number=row["pass"],
        after_end=row["after_end"],
        channel=row["channel"],
        touchpoint=row["touchpoint"],
        entered_at=_time(row["entered_ms"]),
        last_touch_at=_time(row["last_ms"]),
        touches=row["touches"],
        left_at=_at(left_ms),
        next_stage=row["next_stage"] or None,
        progressed_at=_at(row["progressed_ms"]),
        dwell_ms=None if left_ms is None else left_ms - row["entered_ms"],
        outcome=row["outcome"],
    )


def _channel(row: Mapping[str, Any]) -> ChannelTouches:
    return ChannelTouches(
        channel=row["channel"], touches=row["touches"], first_at=_time(row["first_ms"]), last_at=_time(row["last_ms"])
    )


def _answer(row: Mapping[str, Any]) -> SurveyAnswer:
    places = {name: row[name] for name in ("metric", "journey", "stage", "channel", "touchpoint")}
    return SurveyAnswer(at=_time(row["at_ms"]), score=row["score"], **places)


def _touch(row: Mapping[str, Any]) -> Touch:
    names = {name: row[name] for name in ("journey", "stage", "channel", "touchpoint", "action", "revenue_minor")}
    return Touch(at=_time(row["at_ms"]), outcome=row["outcome"] or None, currency=row["currency"] or None, **names)


def _sentiment(total: Mapping[str, Any]) -> Sentiment | None:
    if not total["sentiment_n"]:
        return None
    return Sentiment(
        mean=total["sentiment_mean"],
        n=total["sentiment_n"],
        newest=total["sentiment_newest"],
        newest_at=_time(total["sentiment_newest_ms"]),
    )


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else _time(ms)


def _time(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
