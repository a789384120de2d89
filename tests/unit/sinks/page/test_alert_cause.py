"""The incident of an alert in words, and which one it is."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from touchstream.schemas.incidents import AlertIncident, Cause, CauseBy, CauseGroup, IncidentAlert
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import since_epoch
from touchstream.sinks.page.alerts.cause import CauseLine, incident_view, incident_with

AT = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
CATALOGUE = Catalogue.load()


def member(rule: str, place: str = "stage support", since: datetime = AT) -> IncidentAlert:
    return IncidentAlert(rule=rule, severity="critical", place=place, condition="", since=since)


def incident(name: str, *alerts: IncidentAlert, **more: Any) -> AlertIncident:
    fields: dict[str, Any] = {"version": "1", "journey": "customer", "opened": AT, "closed": None, "firing": 1}
    return AlertIncident(id=name, alerts=alerts, **(fields | {"number": len(alerts)} | more))


INCIDENTS = [
    incident("aa", member("csat_low", since=datetime(2026, 3, 4, 13, 0, tzinfo=UTC))),
    incident("bb", member("csat_low"), member("nps_low", "stage use")),
]


@pytest.mark.parametrize(
    ("rule", "place", "since", "found"),
    [
        ("csat_low", "stage support", AT, "bb"),
        ("csat_low", "stage support", datetime(2026, 3, 4, 13, 0, tzinfo=UTC), "aa"),
        ("nps_low", "stage use", AT, "bb"),
        ("incident-aa", "journey customer", AT, "aa"),
        ("csat_low", "stage use", AT, None),
        ("csat_low", "stage support", datetime(2026, 3, 4, 12, 0, 1, tzinfo=UTC), None),
    ],
)
def test_an_alert_is_in_the_incident_in_which_it_began_then_and_there(
    rule: str, place: str, since: datetime, found: str | None
) -> None:
    one = incident_with(INCIDENTS, rule, place, since_epoch(since))
    assert (one.id if one else None) == found


def test_causes_are_in_the_unit_of_their_metric_and_the_parts_of_a_group_stand_beside_its_sum() -> None:
    chat = CauseGroup(name="chat", before=80.0, after=None, rate=-30.25, mix=-10.0)
    by = CauseBy(by="channel", rate=-30.25, mix=-10.0, groups=(chat,), of=5)
    cause = Cause(rule="csat_low", place="stage support", metric="csat", before=71.5, after=31.25, by=(by,))
    view = incident_view(incident("a/b", member("csat_low"), causes=(cause,), number=23), CATALOGUE)
    (said,) = view.causes
    assert (said.label, said.before, said.after) == ("CSAT", "71.5 %", "31.2 %")
    assert said.tables[0].lines == (CauseLine("chat", "80.0 %", "–", "−40.2 %", "−30.2 %", "−10.0 %"),)
    assert (said.tables[0].others, view.more, view.address) == (4, 22, "incident-a%2Fb?journey=customer")


def test_a_cause_of_a_metric_that_the_catalogue_lost_is_shown_too() -> None:
    cause = Cause(rule="old", place="stage support", metric="gone", before=3.0, after=1.0, by=())
    view = incident_view(incident("aa", member("old"), causes=(cause,)), CATALOGUE)
    assert (view.causes[0].before, view.causes[0].tables) == ("3.00", ())


def test_an_incident_that_was_recorded_is_the_same_when_it_is_read() -> None:
    one = INCIDENTS[1]
    assert msgspec.json.decode(msgspec.json.encode(one), type=AlertIncident) == one
