"""A view of a person for people to read, on the page and on the command line: facts, and sections of rows. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from touchstream.sinks.clickhouse.customers.view import CustomerView, JourneyStanding, Value, Visit
from touchstream.sinks.page.figures import NOTHING, duration

Cell = str | int | float | None
_RECENT: Final = 20


@dataclass(frozen=True)
class Section:
    """Rows under a title; a number stays one. left_out: how many more rows there are."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int


def facts(view: CustomerView) -> tuple[tuple[str, str], ...]:
    """What is said in a line each: name, and what it is."""
    ids = view.anonymous_ids if view.customer_id is not None else []
    more = f" and {view.left_out.anonymous_ids:,} more" if view.left_out.anonymous_ids else ""
    touches = f"{view.touches:,}"
    if view.first_at:
        touches += f", from {_minute(view.first_at)} to {_minute(view.last_at)}"
    found = [("Customer" if view.customer_id is not None else "Anonymous id", view.name)]
    found += [("Anonymous ids", ", ".join(ids) + more)] if ids else []
    found += [("Segment", view.segment or NOTHING), ("Touches", touches), ("Purchases", f"{view.purchases:,}")]
    return (*found, ("Sentiment", _sentiment(view)), ("As of", _minute(view.as_of)))


def warnings(view: CustomerView) -> tuple[str, ...]:
    """What may mislead: ids that are not certainly this person's."""
    found = []
    if view.namesake:
        found.append("There is also an anonymous id of this name; ask for the anonymous id to see whose it is.")
    for claim in view.disputed:
        names = ", ".join(claim.claimed_by) + (", …" if claim.claims > len(claim.claimed_by) else "")
        found.append(
            f"{claim.anonymous_id} was identified as {claim.claims:,} customers ({names});"
            f" it counts for the first, {claim.customer_id}."
        )
    return tuple(found)


def sections(view: CustomerView) -> tuple[Section, ...]:
    """Everything with more than one row; those without any are left out. Times are UTC, money in minor units."""
    rest = view.left_out
    recent = view.recent[:_RECENT]
    found = (
        Section(
            "Journeys",
            ("Journey", "Stage", "Since", "For", "Outcome", "Customer", "Touches"),
            tuple(_standing(one) for one in view.journeys),
            rest.journeys,
        ),
        Section(
            "Stages, the newest first",
            ("Stage", "Journey", "Entered", "Left", "Stayed", "Went to", "Outcome", "Touches"),
            tuple(_visit(one) for one in view.visits),
            rest.visits,
        ),
        Section(
            "Channels",
            ("Channel", "Touches", "First", "Last"),
            tuple((one.channel, one.touches, _minute(one.first_at), _minute(one.last_at)) for one in view.channels),
            rest.channels,
        ),
        Section(
            "Scores, the newest first",
            ("Time", "Survey", "Score", "Channel", "Touchpoint", "Stage"),
            tuple(
                (_minute(one.at), one.metric.upper(), one.score, one.channel, one.touchpoint, one.stage)
                for one in view.scores
            ),
            rest.scores,
        ),
        Section("Value, in minor units", _VALUE, tuple(_value(one) for one in view.value), rest.value),
        Section(
            "Touches, the newest first",
            ("Time", "Stage", "Channel", "Touchpoint", "Action", "Outcome"),
            tuple(
                (_minute(one.at), one.stage, one.channel, one.touchpoint, one.action, one.outcome or NOTHING)
                for one in recent
            ),
            view.touches - len(recent),
        ),
    )
    return tuple(section for section in found if section.rows)


_VALUE: Final = ("Currency", "To date", "Purchases", "Mean order", "P(alive)", "Predicted", "Weeks", "Fitted to n")


def _standing(one: JourneyStanding) -> tuple[Cell, ...]:
    lasted = NOTHING if one.stage_ms is None else duration(one.stage_ms)
    state = "active" if one.active else f"lost since {_minute(one.lost_at)}"
    stage = NOTHING if one.stage is None else one.stage
    return one.journey, stage, _minute(one.stage_since), lasted, one.outcome or NOTHING, state, one.touches


def _visit(one: Visit) -> tuple[Cell, ...]:
    stayed = NOTHING if one.dwell_ms is None else duration(one.dwell_ms)
    went = one.next_stage or NOTHING
    entered, left = _minute(one.entered_at), _minute(one.left_at)
    return one.stage, one.journey, entered, left, stayed, went, one.outcome, one.touches


def _value(one: Value) -> tuple[Cell, ...]:
    known = (one.currency, one.clv_minor, one.purchases, one.average_order_minor)
    if one.prediction is None:
        return *known, None, None, None, None
    said = one.prediction
    return *known, said.p_alive, said.predicted_clv_minor, said.weeks, said.n


def _sentiment(view: CustomerView) -> str:
    said = view.sentiment
    if said is None:
        return NOTHING
    return f"{said.mean:+.2f} on average, n {said.n:,}; the newest {said.newest:+.2f}, {_minute(said.newest_at)}"


def _minute(at: datetime | None) -> str:
    return NOTHING if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
