"""The catalogue of metrics: what it refuses, and what it points out."""

import pytest

from touchstream.schemas.definitions import DefinitionError
from touchstream.schemas.metrics import DEFAULT_FILE, Catalogue, shipped

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
def test_a_field_that_is_misspelt_or_out_of_range_is_refused(right: str, wrong: str) -> None:
    assert findings(WAIT.replace(right, wrong, 1))


def test_a_metric_without_owner_or_target_is_a_gap() -> None:
    catalogue = Catalogue(HEAD + WAIT.replace("    owner: support\n", "").replace("    target: 30000\n", ""))
    assert [str(gap) for gap in catalogue.check()] == [
        "metrics.yaml:3: wait_ms has no owner; name one",
        "metrics.yaml:3: wait_ms has no target; say what is good",
    ]


MEASURES = """format: 1
measures:
  - {name: waiting_n, kind: count, field: duration_ms}
  - {name: waiting_sketch, kind: sketch, field: duration_ms}
metrics:
"""


def refused(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as error:
        Catalogue(text)
    return [finding.message for finding in error.value.findings]


def test_a_metric_of_a_measure_that_is_not_declared_is_an_error() -> None:
    assert refused(MEASURES + WAIT + "    computed: {sum: waiting_ms, n: waiting_n}\n") == [
        "there is no measure waiting_ms; declare it above"
    ]


def test_a_metric_of_a_measure_of_another_kind_is_an_error() -> None:
    assert refused(MEASURES + WAIT + "    computed: {count: waiting_sketch}\n") == [
        "waiting_sketch is a sketch; name a count"
    ]


@pytest.mark.parametrize("form", ["{}", "{count: waiting_n, n: waiting_n}", "{sketch: waiting_sketch}"])
def test_a_metric_is_computed_in_one_form(form: str) -> None:
    assert any("give count, or" in message for message in refused(MEASURES + WAIT + f"    computed: {form}\n"))


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        ("{name: m, kind: sum}", "needs the event's field"),
        ("{name: m, kind: sum, field: channel}", "events have no number channel"),
        ("{name: m, kind: histogram, field: duration_ms}", "no short scale"),
        ("{name: m, kind: sketch, field: revenue_minor}", "a sketch has room for values of 0"),
        ("{name: m, kind: sum_by_currency, field: nps}", "made of whole numbers"),
        ("{name: m, kind: histogram, field: nps, where: {late: true}}", "leave out where"),
    ],
)
def test_a_measure_that_panes_cannot_keep_is_an_error(measure: str, message: str) -> None:
    assert any(message in one for one in refused(f"format: 1\nmeasures:\n  - {measure}\nmetrics:\n{WAIT}"))


def test_a_metric_that_nothing_computes_is_an_error() -> None:
    found = Catalogue(HEAD + WAIT.replace("    freshness_seconds: 5\n", "")).check_computed(shipped())
    assert [(str(one.severity), one.where) for one in found] == [("error", "metrics.yaml:3")]
    assert "nothing computes wait_ms" in found[0].message


def test_a_metric_that_is_computed_otherwise_than_its_file_says_is_an_error_at_its_line() -> None:
    text = DEFAULT_FILE.read_text().replace("    n: csat_n\n", "    n: nps_n\n")
    (found,) = Catalogue(text).check_computed(shipped())
    assert found.message == "csat has the n csat_n, not nps_n; say so"
    assert text.splitlines()[int(found.where.split(":")[1]) - 1] == "    n: nps_n"


def test_the_shipped_catalogue_says_what_is_computed_and_files_of_earlier_versions_go_on_loading() -> None:
    assert shipped().check_computed(shipped()) == []
    earlier = (
        HEAD
        + "  - name: nps\n    formula: As ever.\n    unit: points\n    direction: higher\n"
        + (
            "    category: advocacy\n    is_cx: true\n    owner: us\n    target: 40\n    freshness_seconds: 5\n"
            "    n: nps_n\n    interval: true\n    n_min: 10\n"
        )
    )
    found = Catalogue(earlier).check_computed(shipped())
    assert [(str(one.severity), one.message) for one in found] == [
        ("gap", "nps has freshness_seconds, which says nothing any more; remove it")
    ]


def test_the_page_can_show_rolling_metrics_only() -> None:
    text = DEFAULT_FILE.read_text().replace("page: [nps,", "page: [nps, churn_rate,")
    (found,) = Catalogue(text).check_computed(shipped())
    assert "the page can't show it" in found.message
    assert refused(text.replace("churn_rate,", "chorn_rate,", 1)) == ["there is no metric chorn_rate; declare it below"]
