"""docs/extend.md: the files that it names exist, and a measure that is added to the catalogue appears in every list."""

import inspect
import json
import re
from pathlib import Path

import msgspec
import pytest

from touchstream.schemas.codec import SCHEMA_TEXT
from touchstream.schemas.columns import COLUMNS
from touchstream.schemas.metrics import DEFAULT_FILE, Catalogue
from touchstream.schemas.touchpoint import NUMBER_COLUMNS, NUMBERS, SCALES, Touchpoint, column_of
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.measures import catalogue_parts
from touchstream.sinks.clickhouse.rows import EVENT_CONTENT, TOUCHPOINTS, pane_schema
from touchstream.sinks.page.figures import shown
from touchstream.sinks.prometheus import PREFIX, RollingGauges
from touchstream.streams.channels.formats.mapping import NUMBER_FIELDS
from touchstream.streams.channels.gateway.touchpoint_schema import touchpoint_schema
from touchstream.streams.channels.producer import Producer
from touchstream.streams.measure.content import NUMBERS as CONTENT
from touchstream.streams.upkeep.dead_letter_replay import ANSWERS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/extend.md").read_text("utf-8").replace("waiting", "sample_waiting")
"""The recipes; the example has another name here, so that following them to the letter breaks no test."""
RECIPES = ("A new measure", "An instrument", "A foreign format", "An alert destination", "An outlet", "A window length")
MEASURES, METRICS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
MIGRATION = re.findall(r"ALTER TABLE (\w+) ADD COLUMN IF NOT EXISTS (\w+)", PAGE)


def extended() -> Catalogue:
    """The shipped catalogue with what the first recipe adds; events already have another number of that kind."""
    text = DEFAULT_FILE.read_text("utf-8")
    measures, metrics = (re.sub("^ +(?=-)|^   ", "  ", part, flags=re.MULTILINE) for part in (MEASURES, METRICS))
    text = text.replace("\n\n# Figures", f"\n{measures}\n# Figures").replace("metrics:\n", f"metrics:\n{metrics}\n")
    text = text.replace("field: sample_waiting_ms", "field: duration_ms")
    return Catalogue(text.replace("page: [", "page: [sample_waiting_ms_p90, "))


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_has_steps_and_names_files_that_exist(recipe: str) -> None:
    text = PAGE.split(f"\n## {recipe}\n")[1].split("\n## ")[0]
    assert re.findall(r"^(\d)\. ", text, re.MULTILINE)[:3] == ["1", "2", "3"]
    named = re.findall(r"`((?:\w+/)+(?:[\w-]+\.\w+)?)`", text)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_a_measure_that_is_added_is_a_column_of_panes_behind_the_others() -> None:
    names = pane_schema(extended().measures).names
    assert names[-3:] == ["sample_waiting_n", "sample_waiting_sum_ms", "sample_waiting_sketch"]
    assert [name for table, name in MIGRATION if table == "stage_panes"] == names[-3:]


def test_a_number_that_is_added_to_rows_of_events_stands_behind_the_last_one() -> None:
    (last,) = re.findall(r"ALTER TABLE touchpoints .* AFTER (\w+);", PAGE)
    assert last == [name for name in NUMBER_COLUMNS if name != "waiting_ms"][-1]


def test_a_measure_that_is_added_is_in_every_list_of_a_query() -> None:
    parts = catalogue_parts(extended())
    lists = [name for name, text in parts.items() if "duration_sketch" in text]
    assert len(lists) > 8
    assert [name for name in lists if "sample_waiting_sketch" not in parts[name]] == []
    assert [
        name
        for name in lists
        if "sample_waiting_n" not in parts[name].replace("sum_sample_waiting_n", "sample_waiting_n")
    ] == ["quantile_counts"]


def test_a_metric_that_is_added_is_computed_and_kept_with_its_n() -> None:
    parts = catalogue_parts(extended())
    assert "sum_sample_waiting_sum_ms / sum_sample_waiting_n) AS sample_waiting_ms_mean" in parts["declared_metrics"]
    assert "sketched(sample_waiting_sketch_quantiles[1])) AS sample_waiting_ms_p90" in parts["declared_metrics"]
    kept = [name for table, name in MIGRATION if table == "stage_metrics"]
    assert sorted(kept) == sorted(name for name in extended().columns_of("stage_metrics") if "sample_waiting" in name)
    assert set(kept) <= set(parts["rolling_fields"].replace("\n    ", "").split(","))


def test_a_metric_that_is_added_is_a_gauge_a_figure_of_the_page_and_what_rules_may_name() -> None:
    catalogue = extended()
    gauges = {family.name for family in RollingGauges(catalogue, catalogue).describe()}
    assert {
        PREFIX + name for name in ("sample_waiting_ms_mean", "sample_waiting_ms_p90", "sample_waiting_ms_n")
    } <= gauges
    assert shown(catalogue, catalogue).rolling[0] == "sample_waiting_ms_p90"
    assert "sample_waiting_ms_p90" in {metric.name for metric in catalogue.rolling_numbers}


def test_without_the_code_that_computes_it_a_metric_is_an_error() -> None:
    found = [one.message for one in extended().check_computed(Catalogue.load())]
    assert any("nothing computes sample_waiting_ms_mean" in message for message in found)
    assert any("panes don't keep sample_waiting_n so" in message for message in found)


@pytest.mark.parametrize("number", SCALES)
def test_a_number_of_an_event_is_known_wherever_events_go(number: str) -> None:
    of_avro = {field["name"]: field["type"] for field in json.loads(SCHEMA_TEXT)["fields"]}
    assert of_avro[number] == ["null", NUMBERS[number]]
    assert number in touchpoint_schema()["properties"]
    assert number in inspect.signature(Producer.publish).parameters
    assert all(number in names for names in (COLUMNS, NUMBER_FIELDS, ANSWERS))
    assert all(column_of(number) in names for names in (TOUCHPOINTS.names, EVENT_CONTENT, CONTENT))
    assert f"`{number}`" in (ROOT / "docs/events.md").read_text("utf-8")


def test_every_number_of_an_event_has_a_scale() -> None:
    times = {"occurred_at", "received_at"}
    numbers = {field.name for field in msgspec.structs.fields(Touchpoint) if re.search("int|float", str(field.type))}
    assert numbers - times == set(SCALES)


def test_every_window_is_named_where_people_choose_or_look_one_up() -> None:
    names = list(BY_NAME)
    assert f"# {' '.join(names)}" in (ROOT / "docs/alerts.md").read_text("utf-8")
    assert f"last {', '.join(names[:-1])} or {names[-1]} of" in (ROOT / "docs/glossary.md").read_text("utf-8")
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/touchstream.json").read_text("utf-8"))
    (variable,) = [one for one in dashboard["templating"]["list"] if one["name"] == "window"]
    assert variable["query"] == ",".join(names)
    assert [option["value"] for option in variable["options"]] == names
