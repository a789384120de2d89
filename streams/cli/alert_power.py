"""The command `alerts power`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from touchstream.schemas.alert_state import Group
from touchstream.schemas.alerts import DEFAULT_FILE, DIMENSIONS, Rule, Rules
from touchstream.sinks.clickhouse.alerts.buckets import BucketTables
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.cli.output import Json, err, errors_in_one_line, load_settings, out, print_json, print_table
from touchstream.streams.cli.time_arguments import point_in_time

if TYPE_CHECKING:
    from touchstream.streams.watch.evidence.sight import Sight

_HOUR_MS: Final = 3_600_000
_GROUPS: Final = 20
_COLUMNS: Final = ("rule", *DIMENSIONS, "expected", "min_n", "power", "smallest", "unit", "says")


def power(
    rules: Annotated[Path | None, typer.Argument(help="A file such as alerts.yaml; else the one in force.")] = None,
    start: Annotated[str, typer.Option("--from", help="Traffic since then: ISO 8601 (UTC), epoch ms, -7d.")] = "-7d",
    most: Annotated[int, typer.Option("--groups", min=1, max=1000, help="Of each rule so many groups.")] = _GROUPS,
    as_json: Json = False,
) -> None:
    """What rules by evidence can see in the traffic that there is: how likely they find the change that they are for.

    Example: touchstream alerts power --from -28d
    """
    # Here, for `touchstream alerts` loads this module too, and needs neither NumPy nor Kafka.
    from touchstream.streams.watch.evidence.buckets import BUCKET_MS
    from touchstream.streams.watch.evidence.sight import sight_of_answers, sight_of_count
    from touchstream.streams.watch.evidence_watch import bins_in
    from touchstream.streams.watch.rule_series import effect_of, threshold_of
    from touchstream.streams.watch.service import checked, known

    settings = load_settings()
    rows: list[dict[str, Any]] = []
    with errors_in_one_line():
        about, wanted = known(settings), Rules.load(rules or settings.alerts_file or DEFAULT_FILE)
        checked(wanted, about)
        from_ms, to_ms = (point_in_time(at) // _HOUR_MS * _HOUR_MS for at in (start, "-0s"))
        tables = BucketTables(connect(settings.clickhouse_url), settings.topic)
        for rule in wanted.by_evidence:
            bins = bins_in(rule, about.catalogue)
            sums, groups = tables.sums(rule, bins, from_ms, to_ms, most)
            effect, h = effect_of(rule), threshold_of(wanted.false_alarms_per_week, groups)
            span = min(1.0, effect.within * BUCKET_MS / max(1, to_ms - from_ms))
            for group, counts in sums.items():
                expected = sum(counts) * span
                sight = (
                    sight_of_count(effect, h, expected)
                    if bins.is_count
                    else sight_of_answers(effect, h, bins.values, tuple(counts), expected)
                )
                unit = "%" if bins.is_count else about.catalogue.metrics[rule.metric].unit
                rows.append(_row(rule, group, sight, unit, effect.min_n, 100.0 if bins.is_count else 1.0))
            if groups > len(sums):
                err.print(f"{rule.name}: {groups - len(sums):,} groups with less traffic are left out")
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, _COLUMNS)
    else:
        out.print("no rule by evidence has any traffic to look at")


def _row(rule: Rule, group: Group, sight: "Sight", unit: str, min_n: float, scale: float) -> dict[str, Any]:
    """A line: what is seen in a group, in words too."""
    smallest = None if sight.smallest is None else sight.smallest * scale
    if sight.expected < min_n:
        says = f"never fires: {min_n:,.0f} are needed within {rule.span}"
    elif smallest is None:
        says = "finds no change reliably"
    else:
        says = f"finds {smallest:.3g} {unit} and more"
    return {
        "rule": rule.name,
        **dict(zip(DIMENSIONS, (group.journey, group.stage, group.channel, group.segment), strict=True)),
        "expected": round(sight.expected, 1),
        "min_n": min_n,
        "power": round(sight.power, 3),
        "smallest": smallest,
        "unit": unit,
        "says": says,
    }
