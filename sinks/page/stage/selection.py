"""What a viewer of a stage has chosen: in the address, so that it can be kept and shared. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, cast
from urllib.parse import urlencode

from touchstream.schemas.groups import name_of, spelled
from touchstream.schemas.times import instant, moment, since_epoch
from touchstream.sinks.clickhouse.course.course import PartOf, TimeSpan
from touchstream.sinks.page.selection import SelectionError, require_names

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
LASTS: Final[Mapping[str, int]] = {
    "15m": HOUR_MS // 4, "1h": HOUR_MS, "6h": 6 * HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS, "28d": 28 * DAY_MS,
}  # fmt: skip
"""Spans up to now, in milliseconds."""
PARTS: Final = ("channel", "touchpoint", "segment")
_YEARS_MS: Final = 10 * 365 * DAY_MS

Compare = Literal["before", "week"]
COMPARES: Final[Mapping[str, str]] = {"before": "the time before", "week": "a week earlier"}


@dataclass(frozen=True)
class StageSelection:
    """A metric of a stage in a span of time. stage None: the whole journey. channel, segment: a name, or None for all.

    last: one of LASTS; None where from_ms and to_ms are given. journey None: the first one declared.
    """

    stage: str | None
    metric: str | None = None
    journey: str | None = None
    channel: str | None = None
    segment: str | None = None
    last: str | None = "1h"
    from_ms: int | None = None
    to_ms: int | None = None
    compare: Compare = "before"
    by: PartOf = "channel"

    @classmethod
    def of(cls, stage: str | None, query: Mapping[str, str]) -> "StageSelection":
        """From an address. Raises SelectionError."""
        require_names(query, "journey", "channel", "segment", "metric")
        start, end = (_instant(name, query.get(name, "")) for name in ("from", "to"))
        compare, by = query.get("compare", "before"), query.get("by", "channel")
        if compare not in COMPARES:
            raise SelectionError(f"compare takes one of {', '.join(COMPARES)}")
        if by not in PARTS:
            raise SelectionError(f"by takes one of {', '.join(PARTS)}")
        last = query.get("last", "1h") if start is None or end is None else None
        if last is not None and last not in LASTS:
            raise SelectionError(f"last takes one of {', '.join(LASTS)}")
        if start is not None and end is not None and not start < end <= start + _YEARS_MS:
            raise SelectionError("from has to be before to, by ten years at most")
        return cls(
            stage=stage,
            metric=query.get("metric") or None,
            journey=query.get("journey"),
            channel=name_of(query.get("channel", spelled(None))),
            segment=name_of(query.get("segment", spelled(None))),
            last=last,
            from_ms=start if last is None else None,
            to_ms=end if last is None else None,
            compare=cast(Compare, compare),
            by=cast(PartOf, by),
        )

    def span(self, now_ms: int) -> TimeSpan:
        """The span as of now; one up to now ends with the ten seconds that are being filled."""
        if self.from_ms is not None and self.to_ms is not None:
            return TimeSpan(self.from_ms, self.to_ms)
        end_ms = (now_ms // 10_000 + 1) * 10_000
        return TimeSpan(end_ms - LASTS[self.last or "1h"], end_ms)

    def before(self, span: TimeSpan) -> TimeSpan:
        """The span that it is compared with."""
        return span.back(7 * DAY_MS if self.compare == "week" else span.length_ms)

    @property
    def query(self) -> str:
        """The parameters of its address."""
        given = {"metric": self.metric, "journey": self.journey, "last": self.last}
        chosen = {"channel": self.channel, "segment": self.segment}
        given |= {name: spelled(value) for name, value in chosen.items() if value is not None}
        times = {"from": self.from_ms, "to": self.to_ms}
        given |= {name: spelled_time(at_ms) for name, at_ms in times.items() if at_ms is not None}
        given |= {"compare": self.compare, "by": self.by}
        return urlencode({name: value for name, value in given.items() if value is not None})

    def with_metric(self, metric: str) -> "StageSelection":
        """The same with another metric."""
        return replace(self, metric=metric)

    def by_parts(self, by: str) -> "StageSelection":
        """The same, with other parts."""
        return replace(self, by=cast(PartOf, by))


def _instant(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        return since_epoch(moment(text))
    except (ValueError, OverflowError):
        raise SelectionError(f"{name} is no time; take 2026-11-22T09:30 (UTC) or 2026-11-22T09:30+01:00") from None


def spelled_time(at_ms: int) -> str:
    """A time (milliseconds since 1970) as an address has it, in UTC."""
    return f"{instant(at_ms):%Y-%m-%dT%H:%M:%S}"
