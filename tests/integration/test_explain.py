"""`touchstream explain`: touches in ClickHouse → groups of two periods → parts of the change, on the real engine."""

import json
from collections.abc import Iterable, Iterator
from threading import Event

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from tests.support.clickhouse_rows import NOON_MS, Row, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter
from touchstream.sinks.sink import Flush
from touchstream.streams.cli.main import app

pytestmark = pytest.mark.stack

DAY_MS = 86_400_000
FROM_MS, TO_MS = NOON_MS - 2 * DAY_MS, NOON_MS
ASKED = ("--metric", "nps", "--from", str(FROM_MS), "--to", str(TO_MS))


@pytest.fixture(scope="module")
def client(clickhouse_url: str) -> Iterator[Client]:
    """NPS by three channels of forty people each; `app` gets worse in the two days, and `shop` falls silent."""
    with migrated_database(clickhouse_url) as client:
        write(client, channel_rows())
        yield client


def channel_rows() -> list[Row]:
    rows: list[Row] = []
    for channel, scores_before, scores_after in (
        ("web", (9, 10, 7, 5), (9, 10, 7, 5)), ("app", (9, 10, 8, 5), (6, 10, 2, 5)), ("shop", (10, 10, 9, 8), ()),
    ):  # fmt: skip
        for days, scores in ((-3, scores_before), (-1, scores_after), (-8, (0,))):
            for person in range(40 if scores else 0):
                score = scores[person % len(scores)]
                who, at_ms = f"{channel}-{person}", NOON_MS + days * DAY_MS
                rows.append(touchpoint(len(rows), customer_id=who, channel=channel, nps=score, occurred_at=at_ms))
    return rows


def write(client: Client, rows: Iterable[Row]) -> None:
    assert LaneWriter(client).write(Flush({"touchpoints": table("touchpoints", rows)}), Event()) == ()


def run(client: Client, clickhouse_url: str, *arguments: str) -> Result:
    environment = {"TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database))}
    return CliRunner().invoke(app, ["explain", *arguments], env=environment)


def test_the_parts_of_channels_add_up_to_the_change_and_silence_is_said_first(
    client: Client, clickhouse_url: str
) -> None:
    result = run(client, clickhouse_url, *ASKED, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    # Before: 2 of 4 are promoters and 1 is a detractor, in web and app; 3 of 4 promoters in the shop. After: web as
    # before, in app 1 of 4 and 3.
    assert (found["whole"]["before"], found["whole"]["after"]) == pytest.approx((125 / 3, -12.5))
    assert found["vanished"] == [{"by": "channel", "name": "shop", "people_before": 40}]
    (part,) = found["by"]
    groups = {group["name"]: group for group in part["groups"]}
    assert (groups["app"]["before"], groups["app"]["after"], groups["web"]["rate"]) == (25, -50, 0)
    assert sum(group["contribution"] for group in part["groups"]) == pytest.approx(found["whole"]["change"], abs=1e-9)
    # Shares go from 1/3 to 1/2, so that the mean share of app is 5/12.
    assert groups["app"]["rate"] == pytest.approx(-75 * 5 / 12)
    assert found["whole"]["high"] < 0
    shown = run(client, clickhouse_url, *ASKED).stdout
    assert shown.startswith("first of all: the channel 'shop' had 40 people before and has none")
    assert "Where the change is, not what made it" in shown


def test_the_week_before_is_another_period_and_conditions_leave_their_dimension_out(
    client: Client, clickhouse_url: str
) -> None:
    found = json.loads(run(client, clickhouse_url, *ASKED, "--against", "week", "--json").stdout)
    assert (found["against_from_ms"], found["against_to_ms"]) == (FROM_MS - 7 * DAY_MS, TO_MS - 7 * DAY_MS)
    assert (found["whole"]["before"], found["whole"]["after"]) == (-100, -12.5)
    web = json.loads(run(client, clickhouse_url, *ASKED, "--where", "channel=web", "--json").stdout)
    assert (web["whole"]["change"], web["by"]) == (0, [])
    assert "It may be chance" in run(client, clickhouse_url, *ASKED, "--where", "channel=web").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--metric", "mood", *ASKED[2:]], 2, "--metric mood: take one of nps"),
        ([*ASKED, "--against", "year"], 2, "--against year: take previous or week"),
        ([*ASKED, "--where", "channel=none"], 1, "too few people: 0 before and 0 after"),
        (
            ["--metric", "nps", "--from", "2026-09-01", "--to", "2026-09-20", "--against", "week"],
            1,
            "longer than a week",
        ),
        (["--metric", "nps", "--from", "2026-09-02", "--to", "2026-09-01"], 2, "the interval is empty"),
    ],
)
def test_changes_that_cannot_be_explained_are_an_error_of_one_line(
    client: Client, clickhouse_url: str, arguments: list[str], code: int, message: str
) -> None:
    result = run(client, clickhouse_url, *arguments)
    assert (result.exit_code, message in result.stderr) == (code, True), result.output
    assert len(result.stderr.splitlines()) == 1
