"""The catalogue of metrics: what it refuses, and what it points out."""

import pytest

from touchstream.schemas.definitions import DefinitionError
from touchstream.schemas.metrics import Catalogue

HEAD = "format: 1\nmetrics:\n"
WAIT = """  - name: wait_ms
    formula: Time from call to answer.
    unit: milliseconds
    direction: lower
    category: effort
    is_cx: true
    owner: support
    target: 30000
    freshness_seconds: 5
    n: wait_ms_n
"""


def findings(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as refused:
        Catalogue(HEAD + text)
    return [str(finding) for finding in refused.value.findings]


def test_the_shipped_catalogue_can_be_used_and_every_metric_has_an_owner() -> None:
    catalogue = Catalogue.load()
    assert [str(gap) for gap in catalogue.check() if "owner" in gap.message] == []


def test_a_metric_accounts_for_itself_its_n_and_its_interval() -> None:
    metric = Catalogue(HEAD + WAIT + "    interval: true\n").metrics["wait_ms"]
    assert metric.fields == ("wait_ms", "wait_ms_n", "wait_ms_low", "wait_ms_high")


def test_a_name_that_stands_twice_is_an_error_at_its_second_line() -> None:
    assert findings(WAIT + WAIT) == ["metrics.yaml:13: wait_ms stands here again; remove one"]


def test_a_statistic_without_n_is_an_error() -> None:
    assert findings(WAIT.replace("    n: wait_ms_n\n", "")) == [
        "metrics.yaml:3: wait_ms has no n; name the field it rests on"
    ]


def test_a_count_needs_no_n() -> None:
    assert Catalogue(HEAD + WAIT.replace("    n: wait_ms_n\n", "").replace("milliseconds", "events")).metrics


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("effort", "mood"), ("lower", "down"), ("true", "1"), ("wait_ms", "Wait ms"), ("unit", "units"), ("5", "0")],
)
def test_what_is_misspelt_or_out_of_range_is_refused(right: str, wrong: str) -> None:
    assert findings(WAIT.replace(right, wrong, 1))


def test_a_metric_without_owner_or_target_is_a_gap() -> None:
    catalogue = Catalogue(HEAD + WAIT.replace("    owner: support\n", "").replace("    target: 30000\n", ""))
    assert [str(gap) for gap in catalogue.check()] == [
        "metrics.yaml:3: wait_ms has no owner; name one",
        "metrics.yaml:3: wait_ms has no target; say what is good",
    ]
