"""One value as the page shows it: with its unit, n, interval, target, and whether it may be relied on. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from touchstream.schemas.metrics import PAGE_MAX, Catalogue, Metric, shipped

NOTHING: Final = "–"
_MILLIONS: Final = 10_000_000
"""From here on counts are shown in millions: a card has room for nine characters."""
_MINUS: Final = "\u2212"
_SECOND_MS, _MINUTE_MS, _HOUR_MS, _DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Target:
    """What a metric is held to, and how it stands: `met`, `missed`, or `unclear` while the interval spans it."""

    text: str
    state: str


@dataclass(frozen=True)
class Figure:
    """A metric's value in a group. `value` is exact, the texts are for people; n is None for counts, which have none.

    `note` says why a value is absent or not to be relied on; then `reliable` is false.
    """

    metric: str
    label: str
    value: float | int | None
    text: str
    n: int | None
    interval: str | None
    reliable: bool
    note: str | None
    target: Target | None


@dataclass(frozen=True)
class Shown:
    """The names of the metrics on the page, in its order: of rolling windows, and of visits.

    What became of the visits to a stage is known of all channels and segments together.
    """

    rolling: tuple[str, ...]
    visits: tuple[str, ...]


def shown(catalogue: Catalogue, computed: Catalogue | None = None) -> Shown:
    """What the catalogue wants on the page; where it doesn't say, what the shipped one does; behind it, instruments.

    computed: says which table has a metric; unless given, the shipped one.
    """
    known = computed or shipped()
    asked = [one.metric(one.metrics[0]) for one in catalogue.instruments.declared if one.page]
    names = list(dict.fromkeys((*(catalogue.page or known.page), *asked)))[:PAGE_MAX]
    names = [name for name in names if name in catalogue.metrics]
    tables = {name: metric.rolling for name, metric in known.metrics.items()}
    return Shown(
        rolling=tuple(name for name in names if tables.get(name) == "stage_metrics"),
        visits=tuple(name for name in names if tables.get(name) == "journey_metrics"),
    )


def figures(
    row: Mapping[str, Any] | None, catalogue: Catalogue, names: Sequence[str] | None = None
) -> tuple[Figure, ...]:
    """The metrics of these names of one rolling row, else those on the page; without a row all are absent."""
    chosen = shown(catalogue).rolling if names is None else names
    return tuple(_figure(row or {}, catalogue.metrics[name], catalogue.title(name)) for name in chosen)


def number(value: float, unit: str) -> str:
    """A value in its unit, for people."""
    if unit == "milliseconds":
        return duration(value)
    if unit == "points":
        return _signed(f"{value:+.1f}")
    if unit == "score":
        return _signed(f"{value:.2f}")
    if unit in ("percent", "share"):
        return f"{value * (100 if unit == 'share' else 1):.1f} %"
    return _signed(f"{value:,.0f}") if abs(value) < _MILLIONS else f"{value / 1e6:,.1f} M"


def difference(value: float, unit: str) -> str:
    """A difference of two values in their unit, with its sign: +3.2, −4.0 %, ±0."""
    text = number(abs(value), unit).lstrip("+")
    return f"{'+' if value > 0 else _MINUS if value < 0 else '±'}{text}"


def duration(milliseconds: float) -> str:
    """A length of time in its two largest units at most: 850 ms, 42.2 s, 4 min 12 s, 3 h 5 min, 2 d 4 h."""
    if milliseconds < _SECOND_MS:
        return f"{milliseconds:.0f} ms"
    if milliseconds < _MINUTE_MS - 50:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    if milliseconds < _HOUR_MS - _SECOND_MS / 2:
        return _two(milliseconds / _SECOND_MS, "min", "s", 60)
    if milliseconds < _DAY_MS - _MINUTE_MS / 2:
        return _two(milliseconds / _MINUTE_MS, "h", "min", 60)
    return _two(milliseconds / _HOUR_MS, "d", "h", 24)


def instant(at_ms: int, now_ms: int) -> str:
    """A time of day in UTC, with its date where that isn't today's. Milliseconds since 1970."""
    at, now = (datetime.fromtimestamp(one / 1_000, UTC) for one in (at_ms, now_ms))
    return f"{at.strftime('%H:%M:%S' if at.date() == now.date() else '%Y-%m-%d %H:%M:%S')} UTC"


def _figure(row: Mapping[str, Any], metric: Metric, label: str) -> Figure:
    value, n = row.get(metric.name), row.get(metric.n) if metric.n else None
    if metric.n:
        n = n or 0
    interval = _interval(row, metric)
    note = _note(row, metric, value, n)
    return Figure(
        metric=metric.name,
        label=label,
        value=value,
        text=NOTHING if value is None else number(value, metric.unit),
        n=n,
        interval=interval,
        reliable=note is None,
        note=note,
        target=_target(row, metric, value),
    )


def _note(row: Mapping[str, Any], metric: Metric, value: float | None, n: int | None) -> str | None:
    if value is None:
        if not row:
            return "not heard of"
        return "not counted in this window" if metric.n is None else "none yet"
    if n is not None and n < metric.n_min:
        return f"not reliable below n {metric.n_min:,}"
    return None


def _interval(row: Mapping[str, Any], metric: Metric) -> str | None:
    low, high = row.get(f"{metric.name}_low"), row.get(f"{metric.name}_high")
    if not metric.interval or low is None or high is None:
        return None
    if metric.unit in ("milliseconds", "minor_units"):
        return f"{number(low, metric.unit)} to {number(high, metric.unit)}"
    if metric.unit == "share":
        low, high = 100 * low, 100 * high
    digits = 2 if metric.unit == "score" else 1
    return f"{_signed(f'{low:.{digits}f}')} to {_signed(f'{high:.{digits}f}')}"


def _target(row: Mapping[str, Any], metric: Metric, value: float | None) -> Target | None:
    """How a metric stands to its target: missed or met only if the whole interval is."""
    if metric.target is None or value is None:
        return None
    low, high = row.get(f"{metric.name}_low"), row.get(f"{metric.name}_high")
    if low is None or high is None:
        low = high = value
    if metric.direction == "lower":
        low, high, bound = -high, -low, -metric.target
    else:
        bound = metric.target
    return Target(
        _round(number(metric.target, metric.unit)), "met" if low >= bound else "missed" if high < bound else "unclear"
    )


def _round(text: str) -> str:
    """Without zeros behind the point: people set a target of 45, not of 45.0."""
    return re.sub(r"\.0+(?=\D|$)", "", text)


def _two(amount: float, large: str, small: str, size: int) -> str:
    whole, rest = divmod(round(amount), size)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"


def _signed(text: str) -> str:
    """With the minus sign of typography; a zero has no sign."""
    if not text.strip("+-0.,"):
        return text.lstrip("+-")
    return text.replace("-", _MINUS)
