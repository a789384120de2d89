"""Lists of measures and metrics in queries are those of the catalogue, and nothing else in a query repeats them."""

import re

import pytest

from touchstream.schemas.metrics import shipped
from touchstream.sinks.clickhouse.metrics.exact import OF_PEOPLE
from touchstream.sinks.clickhouse.rolling.store import ROLLED
from touchstream.sinks.clickhouse.rows import TABLES
from touchstream.sinks.clickhouse.sql import catalogue_texts, query_files, query_text

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def queries() -> dict[str, str]:
    return {name: re.sub(r"--.*", "", file.read_text("utf-8")) for name, file in query_files().items()}


def test_every_part_that_the_catalogue_says_stands_in_a_query() -> None:
    used = {part for text in queries().values() for part in PLACEHOLDER.findall(text)}
    assert catalogue_texts().keys() - {*ROLLED.values(), *OF_PEOPLE.values()} <= used


def test_no_query_has_a_list_of_measures_of_its_own() -> None:
    """Formulas name the measures that they are made of, as `sum_…`; the view `customers` adds up events of its own."""
    telling = [one.name for one in shipped().measures if one.kind not in ("count", "sum")]
    columns = re.compile(rf"\b({'|'.join(telling)})\b")
    assert {name for name, text in queries().items() if columns.search(text)} == {"customers_seen"}


def test_both_lists_of_an_insert_of_rolling_rows_are_the_same() -> None:
    for query, parts in (("roll", ROLLED), ("roll_journeys", _JOURNEYS)):
        written, selected = re.findall(
            r"\(topic, (.*?)\)\s|SELECT topic, (.*?)\sFROM", query_text(query, **parts), re.S
        )[:2]
        assert written[0].split() == selected[1].split()


_JOURNEYS = {
    "scope": "people_touched_in_interval", "grouping": "grouping_with_journeys", "touch_details": "no_touch_details",
}  # fmt: skip


def test_a_pane_has_its_key_and_every_measure_once() -> None:
    names = TABLES["stage_panes"].schema.names
    assert names[-len(shipped().measures) :] == [measure.name for measure in shipped().measures]
    assert len(set(names)) == len(names)


def test_columns_that_are_no_names_are_refused() -> None:
    with pytest.raises(ValueError, match="no name of a column"):
        query_text("live_trend", metrics=("nps", "1; DROP TABLE lanes"))
