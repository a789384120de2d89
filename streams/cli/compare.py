"""The command `compare`: whether a change helped."""

from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Annotated, Any, Final

import numpy as np
import typer

from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.insight.places import METRICS, PlaceQuestion, PlacesRead, places, series
from touchstream.sinks.clickhouse.metrics.exact import DIMENSIONS
from touchstream.streams.cli.output import (
    WRONG_USE,
    Json,
    err,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    out,
    print_json,
    print_table,
)
from touchstream.streams.cli.selection import filters
from touchstream.streams.cli.time_arguments import length_ms, point_in_time

SPANS: Final = 8
CAVEAT: Final = (
    "Holds if the changed places would have gone on like the others; something else that began there at that time "
    "counts as the change."
)
CAVEAT_RANDOMISED: Final = "Holds if chance alone decided who got the change, and each person has one group."


def ask_compare(
    metric: Annotated[str, typer.Option(help=f"The metric: {', '.join(METRICS)}.")],
    at: Annotated[str, typer.Option(help="When the change came: ISO 8601 (UTC), epoch ms, -14d.")],
    changed: Annotated[list[str], typer.Option(help="A place that has the change. May be given several times.")],
    by: Annotated[str, typer.Option(help=f"What the places are: {', '.join(DIMENSIONS)}.")] = "touchpoint",
    before: Annotated[str, typer.Option(help="How long before it is compared with: 28d, 12h.")] = "28d",
    after: Annotated[str, typer.Option(help="How long after it is looked at; up to now at most.")] = "28d",
    randomised: Annotated[
        bool, typer.Option("--randomised", help="Chance decided which people got it: two places, one with the change.")
    ] = False,
    where: Annotated[list[str] | None, typer.Option(help="Only where: channel=web. Once for each dimension.")] = None,
    as_json: Json = False,
) -> None:
    """Whether a change helped: the changed places against those that did not change, before and after.

    Example: touchstream compare --metric csat --at 2026-10-01 --changed checkout
    """
    for option, value, known in (("--metric", metric, METRICS), ("--by", by, DIMENSIONS)):
        if value not in known:
            fail(f"{option} {escaped(value)}: take one of {', '.join(known)}", WRONG_USE)
    if find_spec("scipy") is None:
        fail("`touchstream compare` needs SciPy: install it with pip install 'touchstream\\[insight]'")
    kept = filters(where or [])
    settings = load_settings()
    with errors_in_one_line(), err.status("reading places"):
        split_ms = point_in_time(at)
        to_ms = min(split_ms + length_ms(after), now_ms())
        if to_ms <= split_ms:
            raise ValueError(f"--at {at}: the change is still to come; ask when it has been there for a while")
        named = tuple(dict.fromkeys(changed))
        question = PlaceQuestion(metric, by, named, split_ms - length_ms(before), split_ms, split_ms, to_ms, kept)
        client = connect(settings.clickhouse_url)
        read = places(client, question)
        if missing := [name for name in named if name not in read.names]:
            raise ValueError(f"no {metric} at the {by} {missing[0]!r} in this time")
        if randomised:
            answer = _of_people(question, read)
        else:
            answer = _of_places(question, read, places(client, question.before_only()))
            names = [row[by] for row in answer["places"]]
            answer["series"] = [asdict(span) for span in series(client, question, names, SPANS)]
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _of_places(question: PlaceQuestion, read: PlacesRead, earlier: PlacesRead) -> dict[str, Any]:
    # Imported here: the command says itself that SciPy is missing.
    from touchstream.streams.insight.change.effect import TooFewPlacesError, effect_of, placebo
    from touchstream.streams.insight.change.places import PlaceSums

    everything = PlaceSums(*read.sums.T)
    enough = everything.enough()
    sums, names = everything.of(enough), np.array(read.names)[enough]
    changed = np.isin(names, question.named)
    change, variance = sums.changes()
    found = effect_of(change, variance, changed)
    tried = placebo(change, variance, changed)
    before, after = sums.means()
    earlier_sums = PlaceSums(*earlier.sums.T)
    usable = earlier_sums.enough() & np.isin(earlier.names, names)
    try:
        trend = asdict(
            effect_of(*earlier_sums.of(usable).changes(), np.isin(np.array(earlier.names)[usable], question.named))
        )
    except TooFewPlacesError:
        trend = None
    rows = [
        {
            question.by: str(name), "changed": bool(had), "people_before": int(people_b), "people_after": int(people_a),
            "before": float(mean_b), "after": float(mean_a), "difference": float(moved), "error": float(spread),
        }
        for name, had, people_b, people_a, mean_b, mean_a, moved, spread in zip(
            names, changed, sums.people_b, sums.people_a, before, after, change, np.sqrt(variance), strict=True
        )
    ]  # fmt: skip
    return _head(question, read) | {
        "method": "difference_in_differences_over_places",
        **asdict(found),
        "people_by_place": int(sums.people_a.sum()),
        "pre_trend": trend,
        "placebo": asdict(tried) if tried else None,
        "places": sorted(rows, key=lambda row: (not row["changed"], row[question.by])),
        "left_out": [
            {question.by: name, "reason": "too_few_people"}
            for name, there in zip(read.names, enough, strict=True)
            if not there
        ],
        "caveat": CAVEAT,
    }


def _of_people(question: PlaceQuestion, read: PlacesRead) -> dict[str, Any]:
    from touchstream.streams.insight.change.effect import two_groups

    if read.places_in_all != 2 or len(question.named) != 1:
        raise ValueError(
            f"--randomised compares two groups, one of them --changed: there are {read.places_in_all} values of "
            f"{question.by} and {len(question.named)} are named"
        )
    order = [1 - read.names.index(question.named[0]), read.names.index(question.named[0])]
    n, means, variances = (read.people[order][:, [at, at + 1]] for at in (0, 2, 4))
    found = two_groups(n, means, variances)
    rows = [
        {
            question.by: read.names[group], "changed": bool(had), "people_before": int(n[had, 0]),
            "people_after": int(n[had, 1]), "before": float(means[had, 0]), "after": float(means[had, 1]),
            "difference": float(means[had, 1] - means[had, 0]),
            "error": float(np.sqrt((variances[had] / n[had]).sum())),
        }
        for had, group in enumerate(order)
    ]  # fmt: skip
    answer = {"method": "difference_in_differences_over_people", **asdict(found), "people_by_place": int(n[:, 1].sum())}
    return _head(question, read) | answer | {"places": rows[::-1], "left_out": [], "caveat": CAVEAT_RANDOMISED}


def _head(question: PlaceQuestion, read: PlacesRead) -> dict[str, Any]:
    return {
        "metric": question.metric,
        "unit": METRICS[question.metric],
        "by": question.by,
        "changed": list(question.named),
        "from_ms": question.from_ms,
        "at_ms": question.after_from_ms,
        "to_ms": question.to_ms,
        "where": dict(question.where),
        "not_read": read.places_in_all - len(read.names),
    }


def _show(answer: dict[str, Any]) -> None:
    by = answer["by"]
    title = (
        f"{answer['metric']}: {answer['effect']:+.2f} {answer['unit']} [{answer['low']:+.2f}, {answer['high']:+.2f}], "
        f"p {answer['p']:.3f}, {answer['people_by_place']:,} people by place since {_day(answer['at_ms'])}"
    )
    print_table(
        answer["places"],
        [by, "changed", "people_before", "people_after", "before", "after", "difference", "error"],
        escaped(title),
    )
    trend, tried = answer.get("pre_trend"), answer.get("placebo")
    if trend:
        warning = " THE PLACES DIFFERED ALREADY BEFORE: the effect may be that." if trend["p"] < 0.05 else ""
        interval = escaped(f"[{trend['low']:+.2f}, {trend['high']:+.2f}]")
        out.print(
            f"before the change, first against second half: {trend['effect']:+.2f} {interval}, "
            f"p {trend['p']:.3f}.{warning}",
            soft_wrap=True,
        )
    if tried:
        out.print(
            f"places without the change, as if they had it: {tried['tried']:,} tried, p {tried['p']:.3f}",
            soft_wrap=True,
        )
    if answer["left_out"]:
        out.print(f"left out: {len(answer['left_out']):,} places with too few people", soft_wrap=True)
    if answer["not_read"]:
        out.print(f"not read: {answer['not_read']:,} more places with fewer people", soft_wrap=True)
    out.print(answer["caveat"], soft_wrap=True)


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
