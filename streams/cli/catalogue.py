"""The commands of `catalogue`."""

from collections.abc import Iterator
from typing import Any, Final

import typer
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.schemas.alerts import DEFAULT_FILE as DEFAULT_ALERTS
from touchstream.schemas.alerts import Known, Rules
from touchstream.schemas.definitions import Finding, Severity
from touchstream.schemas.instruments import Instruments
from touchstream.schemas.journey import DEFAULT_FILE as DEFAULT_JOURNEY
from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import catalogue_of, shipped
from touchstream.schemas.paths import stage_paths
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.journeys import touched_touchpoints, undeclared
from touchstream.streams.cli.output import (
    FAILED,
    Json,
    err,
    errors_in_one_line,
    load_settings,
    out,
    print_json,
    print_table,
)
from touchstream.streams.process.settings import Settings

_UNDECLARED_MAX: Final = 50
_PLACE: Final = ("journey", "stage", "channel", "touchpoint")
_PLANNED: Final = {True: "planned", False: "unplanned", None: "undeclared"}


def check(as_json: Json = False) -> None:
    """Errors and gaps in journey, metrics and alerts: exit code 1 when there is an error.

    Where ClickHouse answers, touchpoints that arrive and that the journey doesn't know are gaps, too.

    Example: TOUCHSTREAM_JOURNEY_FILE=journey.yaml touchstream catalogue check
    """
    settings = load_settings()
    with errors_in_one_line():
        journeys = Journeys.load(settings.journey_file or DEFAULT_JOURNEY)
        catalogue = catalogue_of(settings.metrics_file)
        rules = Rules.load(settings.alerts_file or DEFAULT_ALERTS)
        known = Known(journeys.journeys, catalogue, {window.name: window.length_ms for window in WINDOWS})
        findings = [
            *journeys.check(),
            *catalogue.check(),
            *catalogue.check_computed(shipped()),
            *(Instruments.load(settings.instruments_file).check() if settings.instruments_file else ()),
            *rules.check(known),
            *_arrived(settings, journeys),
        ]
    rows: list[dict[str, Any]] = [
        {"severity": str(finding.severity), "where": finding.where, "message": finding.message} for finding in findings
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, ["severity", "where", "message"])
    else:
        out.print("the catalogue has no errors and no gaps")
    if any(row["severity"] == "error" for row in rows):
        err.print("the catalogue has errors")
        raise typer.Exit(FAILED)


def metrics(as_json: Json = False) -> None:
    """Every metric of the catalogue: what it is about, whether customers gain by it, whose it is, what it is held to.

    Example: touchstream catalogue list --json
    """
    settings = load_settings()
    with errors_in_one_line():
        catalogue = catalogue_of(settings.metrics_file)
    rows: list[dict[str, Any]] = [
        {
            "metric": metric.name,
            "category": metric.category,
            "is_cx": metric.is_cx,
            "unit": metric.unit,
            "direction": metric.direction,
            "n_min": metric.n_min,
            "target": metric.target,
            "owner": metric.owner,
            "formula": metric.formula.strip(),
            "source": metric.source,
        }
        for metric in catalogue.metrics.values()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["metric", "category", "is_cx", "unit", "direction", "n_min", "target", "owner"])


def inventory(as_json: Json = False) -> None:
    """Every touchpoint that was ever touched: whose it is, whether it is declared and planned, how often it counted.

    Example: touchstream catalogue touchpoints --json
    """
    settings = load_settings()
    with errors_in_one_line():
        journeys = Journeys.load(settings.journey_file or DEFAULT_JOURNEY)
        owners = {(path.journey, path.stage): path.owner for path in stage_paths(journeys.journeys)}
        rows = [
            {
                **{name: touched[name] for name in _PLACE},
                "owner": owners.get((touched["journey"], touched["stage"]), ""),
                "planned": _PLANNED[journeys.planned(*(touched[name] for name in _PLACE))],
                "touches": touched["touches"],
                "newest_ms": touched["newest_ms"],
            }
            for touched in touched_touchpoints(connect(settings.clickhouse_url))
        ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["journey", "stage", "owner", "channel", "touchpoint", "planned", "touches"])


def _arrived(settings: Settings, journeys: Journeys) -> Iterator[Finding]:
    """Touchpoints that arrive and are not declared. Empty without ClickHouse: a file can be checked alone."""
    try:
        rows = undeclared(connect(settings.clickhouse_url), _UNDECLARED_MAX)
    except ClickHouseError:
        return
    for row in rows:
        place = f"channel {row['channel']}, touchpoint {row['touchpoint']}, stage {row['stage']}"
        if journeys.planned(row["journey"], row["stage"], row["channel"], row["touchpoint"]) is None:
            yield Finding(
                Severity.GAP,
                "touchpoints",
                f"{place} of journey {row['journey']} is not declared, and was touched {row['touches']} times",
            )
