"""How people are told of a rule's alerts, as declared in `alerts.yaml`: where, how often again, and when not."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Annotated, Final, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from touchstream.schemas.definitions import Definition
from touchstream.schemas.journey import Timeout

Told = Literal["webhook", "slack", "email"]
"""Destinations that are told again and have quiet hours: Alertmanager does both by itself."""
DestinationName = Literal[Told, "alertmanager"]
"""Where alerts are sent to if the settings say so; the topic `alerts` always gets all."""
TOLD: Final = frozenset(get_args(Told))
SeverityName = Literal["critical", "warning", "info"]
SEVERITIES: Final = get_args(SeverityName)
"""The most severe first."""
_HOURS: Final = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"
_DAYS: Final[Mapping[str, int]] = MappingProxyType(
    {day: number for number, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
)
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_HOLIDAYS_MAX: Final = 500


def _date(value: object) -> object:
    """YAML reads 2026-12-25 as a text here."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{value} is no date; write one such as 2026-12-25") from None


class Escalation(Definition):
    """Who is told, besides, of an alert that fires for so long and was not acknowledged."""

    after: Timeout
    to: Annotated[tuple[Told, ...], Field(min_length=1, max_length=len(TOLD))]


class Quiet(Definition):
    """When people are not told: in some hours of each local day, on some days of the week, and on holidays."""

    zone: str | None = None
    """A local time zone; without one, that of the file."""
    hours: Annotated[str, StringConstraints(pattern=_HOURS)] | None = None
    """From and to, local wall-clock time: 22:00-07:00 spans midnight. The end is not part of it."""
    days: Annotated[tuple[Day, ...], Field(max_length=7)] = ()
    holidays: Annotated[tuple[Annotated[date, BeforeValidator(_date)], ...], Field(max_length=_HOLIDAYS_MAX)] = ()
    passes: Annotated[tuple[SeverityName, ...], Field(max_length=3)] = ("critical",)
    """Severities of which people are told all the same."""

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in available_timezones():
            raise ValueError(f"there is no time zone {zone}; write one such as Europe/Berlin")
        return zone

    @model_validator(mode="after")
    def _is_ever(self) -> "Quiet":
        if not (self.hours or self.days or self.holidays):
            raise ValueError("give hours, days or holidays")
        if self.hours and self.hours[:5] == self.hours[6:]:
            raise ValueError("hours begin and end at one time; for whole days give days")
        return self

    def is_at(self, at_ms: int, file_zone: ZoneInfo) -> bool:
        """Whether it is quiet at an instant, in milliseconds since 1970."""
        zone = ZoneInfo(self.zone) if self.zone else file_zone
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
        if local.date() in self.holidays or any(local.weekday() == _DAYS[day] for day in self.days):
            return True
        if not self.hours:
            return False
        begin, end, now = time.fromisoformat(self.hours[:5]), time.fromisoformat(self.hours[6:]), local.time()
        return begin <= now < end if begin < end else now >= begin or now < end


class HowTold(Definition):
    """What of a rule says how people are told of its alerts. None of it changes what is judged."""

    runbook: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,500}$")] | None = None
    """A page that says what to do; it stands in notifications."""
    notify: Annotated[tuple[DestinationName, ...], Field(max_length=len(get_args(DestinationName)))] | None = None
    """Which of the configured destinations are told; without it, all."""
    renotify: Timeout | None = None
    """How often those who were told are told again while it fires and is not acknowledged."""
    escalate: Escalation | None = None
    quiet: Quiet | None = None


HOW_TOLD: Final = frozenset(HowTold.model_fields) | {"summary", "severity", "owner"}
"""Keys of a rule that change nothing of what is judged."""


def namespace_of_file(name: str) -> str:
    """The name of a file as the name of a namespace: `Team B.yaml` is `team-b`."""
    words = re.sub(r"[^a-z0-9_-]+", "-", name.rpartition(".")[0].lower() or name.lower()).strip("-")
    return (words if words[:1].isalpha() else f"rules-{words}")[:63].strip("-")
