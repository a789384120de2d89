"""Rolling gauges: bounded labels, nothing left behind, and an exposition that a strict OpenMetrics parser takes."""

from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from tests.browser.rolling_rows import row
from tests.support.openmetrics import exposition, strictly_parsed
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.prometheus import GROUPS_MAX, OTHER, PREFIX, RollingGauges
from touchstream.streams.process import metrics

ALL = None


WHOLE, OTHERS = "the whole journey", "what has no gauge"
NAUGHTY = ["*", '"', "\\", "\n", "{stage=\"use\"} 1", "", "ü🛫", "\x00", "# EOF"]  # fmt: skip


def stage(name: str | None, touches: int = 1, **changes: Any) -> dict[str, Any]:
    return row(name, touches=touches, completeness=0.5) | {"other": [], "other_names": 0} | changes


def samples(gauges: RollingGauges) -> dict[tuple[str, str, str, str], float]:
    """Strictly parsed: (name, journey, stage, window) to value; by=journey has the stage WHOLE, by=other OTHERS."""
    registry = CollectorRegistry()
    registry.register(gauges)
    families = strictly_parsed(exposition(registry))
    found = {}
    for sample in (sample for family in families for sample in family.samples):
        by, journey, stage, window = (sample.labels.get(name, "") for name in ("by", "journey", "stage", "window"))
        if by in ("journey", "other"):
            assert stage == ""
            stage = {"journey": WHOLE, "other": OTHERS}[by]
        found[sample.name.removeprefix(PREFIX), journey, stage, window] = sample.value
    return found


def shown(rows: Sequence[dict[str, Any]], window: str = "5m") -> dict[tuple[str, str, str, str], float]:
    gauges = RollingGauges(Catalogue.load())
    gauges.show(window, 1_000, rows)
    return samples(gauges)


def test_a_metric_comes_with_its_n_its_interval_and_the_windows_completeness() -> None:
    found = shown([stage("use")])
    values = [found[name, "customer", "use", "5m"] for name in ("nps", "nps_n", "nps_low", "nps_high")]
    assert values == [12.25, 400, 4.5, 19.75]
    assert found["completeness", "", "", "5m"] == 0.5
    assert found["tick_timestamp_seconds", "", "", "5m"] == 1.0


def test_a_metric_that_is_not_known_has_no_gauge() -> None:
    found = shown([stage("use", nps=None, customers=None)])
    assert ("nps", "customer", "use", "5m") not in found
    assert ("customers", "customer", "use", "5m") not in found


def test_groups_that_vanish_take_their_gauges_along() -> None:
    gauges = RollingGauges(Catalogue.load())
    gauges.show("5m", 0, [stage("use"), stage("support")])
    gauges.show("1h", 0, [stage("support")])
    gauges.show("5m", 0, [stage("use")])
    assert {key[2:] for key in samples(gauges) if key[2]} == {("use", "5m"), ("support", "1h")}
    gauges.clear()
    assert samples(gauges) == {}


def test_single_channels_and_segments_are_not_shown() -> None:
    found = shown([stage("use", touches=9), stage("use", channel="web"), stage("use", segment="new")])
    assert found["touches", "customer", "use", "5m"] == 9


def test_the_busiest_groups_have_gauges_and_the_others_are_summed_where_they_add_up() -> None:
    named = [stage(f"s{n}", touches=1000 - n) for n in range(GROUPS_MAX + 9)]
    found = shown([*named, stage(ALL, touches=50_000)])
    touches = {key[2]: value for key, value in found.items() if key[0] == "touches"}
    assert touches[WHOLE] == 50_000
    assert touches[OTHERS] == sum(row["touches"] for row in named[GROUPS_MAX - 1 :])
    assert len(touches) == GROUPS_MAX + 1
    assert ("nps", "", OTHERS, "5m") not in found
    assert found["hidden_groups", "", "", "5m"] == 10


def test_hidden_stages_are_not_counted_again_with_their_journey() -> None:
    busy = [stage(ALL, touches=10**6, journey=f"j{n}") for n in range(GROUPS_MAX)]
    found = shown([*busy, stage(ALL, touches=7, journey="small"), stage("use", touches=7, journey="small")])
    assert found["touches", "", OTHERS, "5m"] == 7


def test_a_group_that_is_called_other_makes_no_second_series() -> None:
    found = shown([stage(OTHER, touches=5, journey=OTHER), stage(OTHER, touches=3)])
    assert found["touches", OTHER, OTHER, "5m"] == 5
    assert found["touches", "customer", OTHER, "5m"] == 3


@pytest.mark.parametrize("name", NAUGHTY)
def test_any_name_passes_a_strict_parser(name: str) -> None:
    assert shown([stage(name, touches=4, journey=name)])["touches", name, name, "5m"] == 4


def test_every_gauge_has_a_help_text_that_says_what_and_of_which_window() -> None:
    for family in RollingGauges(Catalogue.load()).describe():
        assert "window" in family.documentation, family.name


def test_lane_gauges_go_with_their_lanes() -> None:
    def partitions() -> list[str]:
        families = strictly_parsed(exposition(REGISTRY))
        found = [one for family in families for one in family.samples if one.name == "touchstream_lag_records"]
        return [sample.labels["partition"] for sample in found]

    metrics.LAG_RECORDS.set_function(lambda: {3: 5.0, 0: 0.0})
    assert partitions() == ["0", "3"]
    metrics.LAG_RECORDS.set_function(dict)
    assert partitions() == []


def test_a_name_without_a_row_of_its_own_is_among_the_others_and_counts_for_itself() -> None:
    folded = stage("(other)", touches=7, other=["stage_other"], other_names=60_000)
    named = [stage("(other)", touches=2), stage("use", touches=9)]
    found = shown([*named, folded])
    assert found["touches", "customer", "(other)", "5m"] == 2
    assert found["touches", "", OTHERS, "5m"] == 7
    assert found["hidden_groups", "", "", "5m"] == 60_000
