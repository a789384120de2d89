"""The topic `stage-metrics`: keys that tell groups apart, and nothing lost while Kafka or ClickHouse is away."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
from aiokafka.errors import KafkaConnectionError
from clickhouse_connect.driver.exceptions import OperationalError
from hypothesis import example, given
from hypothesis import strategies as st

from touchstream.schemas.windows import WINDOWS, Window
from touchstream.streams.broker.topics import STAGE_METRICS_TOPIC
from touchstream.streams.measure.records import Headers
from touchstream.streams.rolling.outlet import OutletAway, Outlets, Rows
from touchstream.streams.rolling.publish import StageMetricsTopic, message

NAMES = st.lists(st.none() | st.text(alphabet="ab|%7C*= ", max_size=4), min_size=4, max_size=4).map(tuple)


def row(names: tuple[str | None, ...] = ("customer", "use", None, None), **changes: Any) -> dict[str, Any]:
    dimensions = dict(zip(("journey", "stage", "channel", "segment"), names, strict=True))
    at = datetime(2026, 1, 31, 9, 30)  # noqa: DTZ001 - the driver gives times in UTC that do not say so
    return {"window": "5m", "tick": at, "other": [], "other_names": 0} | dimensions | changes


@given(NAMES, NAMES)
@example(("|", "", "", ""), ("%7C", "", "", ""))
@example(("a", None, None, ""), ("a", None, None, None))
@example(("a|stage=b", None, None, None), ("a", "b", None, None))
def test_groups_of_different_names_have_different_keys(
    one: tuple[str | None, ...], other: tuple[str | None, ...]
) -> None:
    assert (message("t", row(one))[0] == message("t", row(other))[0]) == (one == other)


def test_a_message_says_its_topic_and_its_tick_in_utc() -> None:
    key, value = message("touchpoints", row(touches=3))
    assert key == b"touchpoints|5m|journey=customer|stage=use"
    said = msgspec.json.decode(value)
    assert (said["topic"], said["tick"], said["touches"]) == ("touchpoints", "2026-01-31T09:30:00Z", 3)


class Away:
    """Rows of one group, and a Kafka, of which the first answers are errors."""

    def __init__(self, *, rows_fail: int, sends_fail: int) -> None:
        self.rows_fail, self.sends_fail = rows_fail, sends_fail
        self.sent: list[tuple[str, int]] = []
        self.done = asyncio.Event()

    def rows(self, window: Window, tick_ms: int) -> list[dict[str, Any]]:
        if self.rows_fail:
            self.rows_fail -= 1
            raise OperationalError("away")
        return [row(window=window.name, tick_ms=tick_ms)]

    async def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        assert (topic, list(headers), bool(key)) == (STAGE_METRICS_TOPIC, [], True)
        if self.sends_fail:
            self.sends_fail -= 1
            raise KafkaConnectionError
        said = msgspec.json.decode(value or b"")
        self.sent.append((said["window"], said["tick_ms"]))
        if len(self.sent) == len(WINDOWS):
            self.done.set()


class OutletOfAnother:
    """One that never takes anything."""

    name = "another"

    async def take(self, rows: Rows) -> None:
        raise OutletAway(f"no room for {len(rows)} rows")


def published(**failures: int) -> list[tuple[str, int]]:
    async def until_done() -> list[tuple[str, int]]:
        away = Away(**failures)
        outlets = Outlets(OutletOfAnother(), StageMetricsTopic("t", away.send))
        for complete in enumerate(WINDOWS):
            outlets.add(complete[::-1])
        task = asyncio.create_task(outlets.serve_forever(away.rows))
        await asyncio.wait_for(away.done.wait(), 60)
        task.cancel()
        return away.sent

    return asyncio.run(until_done())


def test_every_complete_window_is_published_in_order_however_often_kafka_or_clickhouse_fail() -> None:
    expected = [(window.name, number) for number, window in enumerate(WINDOWS)]
    assert published(rows_fail=0, sends_fail=0) == expected
    assert published(rows_fail=2, sends_fail=1) == expected


def test_the_row_of_the_others_is_told_from_a_channel_of_that_name() -> None:
    named = row(("customer", "use", "(other)", None))
    folded = named | {"other": ["channel_other"], "other_names": 3}
    assert message("t", named)[0] == b"t|5m|journey=customer|stage=use|channel=(other)"
    assert message("t", folded)[0] == b"t|5m|journey=customer|stage=use|channel_other="
    said = [msgspec.json.decode(message("t", one)[1]) for one in (named, folded)]
    assert [(one.get("other"), one.get("other_names")) for one in said] == [(None, None), (["channel_other"], 3)]
