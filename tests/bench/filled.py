"""Tables as a week of workers would have left them, filled by ClickHouse itself from a seed: no event is published.

Panes are added up from the raw rows, and rolling rows are written by the statement of `roll`. Of panes there are those
that an interval of seven days can read: hours, and five minutes and ten seconds towards its end.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from tests.bench.events import ACTIONS, CURRENCIES, OUTCOMES, PLACES, SEGMENTS
from tests.bench.truth import ANSWERS
from tests.support.clickhouse_rows import lane, table
from touchstream.schemas.journey import DEFAULT_FILE, Journeys
from touchstream.schemas.times import now_ms
from touchstream.schemas.windows import BY_NAME, WINDOWS, Window
from touchstream.sinks.clickhouse.metrics.exact import TOPIC
from touchstream.sinks.clickhouse.rolling.store import write_journeys, write_rolling

EVENTS: Final = 20_000_000
LANES: Final = 8
JOURNEY: Final = Journeys.load(DEFAULT_FILE).journeys[0].id
CUSTOMERS: Final = 1_000_000
WEEK_MS: Final = BY_NAME["7d"].length_ms
LOG: Final = "log"

_HOUR_MS: Final = 3_600_000
_PIECE_MS: Final = 6 * _HOUR_MS
_PANES: Final = {3600: WEEK_MS, 300: 100 * 60_000, 10: 200_000}
"""How far back there are panes of each resolution (seconds to milliseconds): 200,000 in all, where events are many."""
_TICKS_MS: Final = 6 * _HOUR_MS
_TREND_TICKS: Final = 60
_TICKS_AT_ONCE: Final = 1_000
_INSERT_SETTINGS: Final = {"min_insert_block_size_rows": 1_000_000, "optimize_on_insert": 0}


@dataclass(frozen=True)
class Filled:
    """What is in the tables. end_ms: a whole hour; everything occurred in the week before it."""

    end_ms: int
    rows: Mapping[str, int]
    seconds: float
    """Of the filling."""


def fill(client: Client, events: int = EVENTS, end_ms: int | None = None) -> Filled:
    """Fill the tables of a migrated, empty database. end_ms: of now, if not said, for rolling rows grow old."""
    started = time.monotonic()
    end = end_ms or (now_ms() // _HOUR_MS + 1) * _HOUR_MS
    for from_ms in range(end - WEEK_MS, end, _PIECE_MS):
        parameters = _parameters(events, end, from_ms)
        client.command(_RAW, parameters, settings=_INSERT_SETTINGS)
        client.command(_PANES_OF_RAW, parameters, settings=_INSERT_SETTINGS)
        if from_ms == end - WEEK_MS:
            # Computing visits of twenty million touches takes minutes; the page reads as many rows either way.
            write_journeys(client, TOPIC, BY_NAME["7d"], end, end)
    _lanes(client, events, end)
    for window in WINDOWS:
        _rolling(client, window, end)
    tables = ("touchpoints", "journey_touches", "stage_panes", "stage_metrics")
    return Filled(end, {name: _rows(client, name) for name in tables}, time.monotonic() - started)


def _parameters(events: int, end_ms: int, from_ms: int) -> dict[str, Any]:
    start_ms = end_ms - WEEK_MS
    first, last = (-(-(at - start_ms) * events // WEEK_MS) for at in (from_ms, from_ms + _PIECE_MS))
    return {
        "log_id": LOG,
        "lanes": LANES,
        "journey": JOURNEY,
        "first": first,
        "count": last - first,
        "start_ms": start_ms,
        "step_ms": WEEK_MS / events,
        "piece_from_ms": from_ms,
        "piece_to_ms": from_ms + _PIECE_MS,
        "inserted_at": datetime.fromtimestamp(from_ms / 1000, UTC).replace(tzinfo=None),
        "stages": [stage for stage, _, _ in PLACES],
        "channels": [channel for _, channel, _ in PLACES],
        "touchpoints": [touchpoint for _, _, touchpoint in PLACES],
        "segments": list(SEGMENTS),
        "actions": list(ACTIONS),
        "outcomes": ["", *OUTCOMES],
        "currencies": list(CURRENCIES),
        "customers": CUSTOMERS,
        "resolutions": list(_PANES),
        "since_ms": [end_ms - back_ms for back_ms in _PANES.values()],
    }


def _lanes(client: Client, events: int, end_ms: int) -> None:
    """Every lane has passed the end."""
    rows = [
        lane(partition=partition, log_id=LOG, next_offset=events, lane_clock=end_ms, occurred_max=end_ms,
             watermark=end_ms)
        for partition in range(LANES)
    ]  # fmt: skip
    client.insert_arrow("lanes", table("lanes", rows))


def _rolling(client: Client, window: Window, end_ms: int) -> None:
    """The rows of the last tick as `roll` writes them, and the same at those of six hours before it, sixty at least."""
    write_rolling(client, TOPIC, [(window, end_ms)])
    ticks = max(_TREND_TICKS, _TICKS_MS // window.step_ms)
    for first in range(1, ticks, _TICKS_AT_ONCE):
        parameters = {
            "topic": TOPIC, "window": window.name, "tick_ms": end_ms, "step_ms": window.step_ms,
            "first": first, "count": min(_TICKS_AT_ONCE, ticks - first),
        }  # fmt: skip
        client.command(_EARLIER_TICKS, parameters)


def _rows(client: Client, name: str) -> int:
    return int(client.query("SELECT count() FROM {table:Identifier}", {"table": name}).result_rows[0][0])


_RAW: Final = """
INSERT INTO touchpoints
    (log_id, partition, log_offset, record_at, lane_clock, definitions, event_id, occurred_at, customer_id,
     anonymous_id, journey, stage, channel, touchpoint, segment, declared, late, action, outcome, duration_ms,
     nps, csat, ces, sentiment_micro, revenue_minor, currency, attributes, inserted_at)
WITH
    (number_, salt) -> cityHash64(number_, salt) / 18446744073709551616 AS share,
    (share_, of) -> toUInt32(share_ * of) AS below,
    -- Shares to ranks as Zipf has them, all but exactly: the first of a million customers comes in 5 % of the events.
    toUInt32(pow({customers:UInt32}, share(number, 1))) - 1 AS customer,
    below(pow(share(number, 2), 1.5), length({stages:Array(String)})) + 1 AS place,
    {channels:Array(String)}[place] = 'survey' AS surveyed,
    multiIf(
        surveyed, 'survey',
        {stages:Array(String)}[place] = 'purchase' AND share(number, 3) < 0.4, 'purchase',
        {actions:Array(String)}[below(share(number, 3), 3) + 1]) AS action_,
    fromUnixTimestamp64Milli(toInt64({start_ms:Int64} + number * {step_ms:Float64}), 'UTC') AS record_at_
SELECT
    {log_id:String}, customer % {lanes:UInt32}, number, record_at_, record_at_, 'v1', hex(sipHash128(number)),
    record_at_, concat('c', leftPad(toString(customer), 7, '0')), '',
    {journey:String}, {stages:Array(String)}[place], {channels:Array(String)}[place],
    {touchpoints:Array(String)}[place],
    {segments:Array(String)}[customer % length({segments:Array(String)}) + 1], true, share(number, 4) < 0.003, action_,
    {outcomes:Array(String)}[below(share(number, 5), length({outcomes:Array(String)})) + 1],
    if(share(number, 6) < 0.6,
        toInt64(exp(8 + 3 * (share(number, 7) + share(number, 8) + share(number, 9) - 1.5))), NULL),
    if(surveyed, below(share(number, 10), 11), NULL),
    if(surveyed, 1 + below(share(number, 11), 5), NULL),
    if(surveyed, 1 + below(share(number, 12), 7), NULL),
    if(share(number, 13) < 0.15, toInt64(below(share(number, 14), 2000000)) - 1000000, NULL),
    if(action_ = 'purchase', toInt64(exp(6 + 4 * share(number, 15))), NULL),
    if(action_ = 'purchase',
        {currencies:Array(String)}[below(share(number, 16), length({currencies:Array(String)})) + 1], ''),
    map('campaign', toString(below(share(number, 17), 100))), {inserted_at:DateTime('UTC')}
FROM numbers({first:UInt64}, {count:UInt64})
"""

_ANSWERS: Final = ", ".join(
    f"[{', '.join(f'countIf({name} = {answer})' for answer in scale)}]" for name, scale in ANSWERS.items()
)
_PANES_OF_RAW: Final = """
INSERT INTO stage_panes
    (log_id, partition, resolution_s, pane_start, journey, stage, channel, touchpoint, segment, log_offset, touches,
     duplicates, late, success, failure, abandoned, purchases, duration_n, duration_sum_ms, sentiment_n,
     sentiment_sum_micro, nps_counts, csat_counts, ces_counts, duration_sketch, revenue_minor_by_currency,
     purchase_revenue_minor_by_currency)
SELECT
    log_id, partition, resolution.1,
    fromUnixTimestamp64Milli(
        intDiv(toUnixTimestamp64Milli(occurred_at), 1000 * resolution.1) * 1000 * resolution.1, 'UTC'),
    journey, stage, channel, touchpoint, segment,
    max(log_offset), count(), 0, countIf(late), countIf(outcome = 'success'), countIf(outcome = 'failure'),
    countIf(outcome = 'abandoned'), countIf(action = 'purchase'), count(duration_ms), ifNull(sum(duration_ms), 0),
    count(sentiment_micro), ifNull(sum(sentiment_micro), 0),
    {_ANSWERS},
    sumMapIf(
        map(toInt16(ceil(log(greatest(assumeNotNull(duration_ms), 1)) / log(1.01 / 0.99))), toInt64(1)),
        isNotNull(duration_ms)),
    sumMapIf(map(currency, assumeNotNull(revenue_minor)), isNotNull(revenue_minor)),
    sumMapIf(map(currency, assumeNotNull(revenue_minor)), isNotNull(revenue_minor) AND action = 'purchase')
FROM touchpoints
ARRAY JOIN arrayFilter(
    one -> occurred_at >= fromUnixTimestamp64Milli(one.2, 'UTC'),
    arrayZip({resolutions:Array(UInt32)}, {since_ms:Array(Int64)})) AS resolution
WHERE occurred_at >= fromUnixTimestamp64Milli({piece_from_ms:Int64}, 'UTC')
  AND occurred_at <  fromUnixTimestamp64Milli({piece_to_ms:Int64}, 'UTC')
GROUP BY log_id, partition, resolution.1, 4, journey, stage, channel, touchpoint, segment
""".replace("{_ANSWERS}", _ANSWERS)

_EARLIER_TICKS: Final = """
INSERT INTO stage_metrics
SELECT * EXCEPT (back) REPLACE (tick - toIntervalMillisecond(back * {step_ms:Int64}) AS tick)
FROM
(
    SELECT * FROM stage_metrics FINAL
    WHERE topic = {topic:String} AND window = {window:String}
      AND tick = fromUnixTimestamp64Milli({tick_ms:Int64}, 'UTC')
) AS newest
CROSS JOIN (SELECT number AS back FROM numbers({first:UInt64}, {count:UInt64})) AS earlier
"""
