"""The command `explain`: why a metric changed."""

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.insight.places import METRICS, PlaceQuestion, places
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
from touchstream.streams.cli.time_arguments import point_in_time
from touchstream.streams.insight.change.places import PlaceSums
from touchstream.streams.watch.explanation import Explanation, WholeChange, explain, whole_change

BY: Final = ("stage", "channel", "touchpoint", "segment")
_WEEK_MS: Final = 7 * 86_400_000
CAVEAT: Final = "Where the change is, not what made it: a group that is named may have been changed by something else."
_SHOWN: Final = (
    "people_before", "people_after", "before", "after", "rate", "mix", "contribution", "low", "high", "vanished",
)  # fmt: skip


def ask_explain(
    metric: Annotated[str, typer.Option(help=f"The metric: {', '.join(METRICS)}.")],
    start: Annotated[str, typer.Option("--from", help="From this time on: ISO 8601 (UTC), epoch ms, -1d.")],
    end: Annotated[str, typer.Option("--to", help="Up to before this time.")] = "-0s",
    against: Annotated[
        str,
        typer.Option(
            help="Compare with the time before of the same length (previous), or with the week before (week)."
        ),
    ] = "previous",
    where: Annotated[list[str] | None, typer.Option(help="Only where: stage=support. Once for each dimension.")] = None,
    as_json: Json = False,
) -> None:
    """Why a metric changed: the groups that did worse, and the mix that shifted, in parts that add up to the change.

    Example: touchstream explain --metric nps --from -7d --against previous
    """
    if metric not in METRICS:
        fail(f"--metric {escaped(metric)}: take one of {', '.join(METRICS)}", WRONG_USE)
    if against not in ("previous", "week"):
        fail(f"--against {escaped(against)}: take previous or week", WRONG_USE)
    kept = filters(where or [])
    settings = load_settings()
    with errors_in_one_line(), err.status("reading groups"):
        from_ms, to_ms = point_in_time(start), point_in_time(end)
        back_ms = _WEEK_MS if against == "week" else to_ms - from_ms
        if to_ms - from_ms > back_ms:
            raise ValueError("--against week: the time is longer than a week, and would overlap the week before")
        client = connect(settings.clickhouse_url)

        def read(by: str) -> tuple[tuple[str, ...], PlaceSums, int]:
            question = PlaceQuestion(metric, by, (), from_ms - back_ms, to_ms - back_ms, from_ms, to_ms, kept)
            found = places(client, question)
            return found.names, PlaceSums(*found.sums.T), found.places_in_all - len(found.names)

        whole = whole_change(read("none")[1])
        parts = {by: read(by) for by in BY if by not in kept}
        found = {
            by: (explain(names, sums), left_out) for by, (names, sums, left_out) in parts.items() if len(names) > 1
        }
    # A dimension in which few groups make most of the change says more than one in which all do.
    order = sorted(found, key=lambda by: found[by][0].named)
    answer = _answer(whole, {by: found[by] for by in order}) | {
        "metric": metric, "unit": METRICS[metric], "from_ms": from_ms, "to_ms": to_ms,
        "against_from_ms": from_ms - back_ms, "against_to_ms": to_ms - back_ms, "where": kept, "caveat": CAVEAT,
    }  # fmt: skip
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _answer(whole: WholeChange, found: dict[str, tuple[Explanation, int]]) -> dict[str, Any]:
    return {
        "whole": asdict(whole),
        "vanished": [
            {"by": by, "name": group.name, "people_before": group.people_before}
            for by, (explanation, _) in found.items()
            for group in explanation.groups
            if group.vanished
        ],
        "by": [
            {"by": by, "not_read": left_out, "named": explanation.named} | asdict(explanation)
            for by, (explanation, left_out) in found.items()
        ],
    }


def _show(answer: dict[str, Any]) -> None:
    whole = answer["whole"]
    for gone in answer["vanished"]:
        name = escaped(repr(gone["name"]))
        out.print(
            f"[yellow]first of all: the {gone['by']} {name} had {gone['people_before']:,} people before and has none: "
            "its silence shifts the mix[/yellow]",
            soft_wrap=True,
        )
    interval = escaped(f"[{whole['low']:+.2f}, {whole['high']:+.2f}]")
    chance = " It may be chance." if whole["low"] <= 0 <= whole["high"] else ""
    out.print(
        f"{answer['metric']} {whole['before']:.2f} → {whole['after']:.2f}: {whole['change']:+.2f} {answer['unit']} "
        f"{interval}, {whole['people_before']:,} and {whole['people_after']:,} people.{chance}",
        soft_wrap=True,
    )
    for part in answer["by"]:
        title = f"by {part['by']}: {part['rate']:+.2f} groups did otherwise, {part['mix']:+.2f} the mix shifted"
        named = [group for group in part["groups"] if group["named"]] or part["groups"][:1]
        out.print()
        print_table([{part["by"]: group["name"]} | group for group in named], [part["by"], *_SHOWN], escaped(title))
        rest = len(part["groups"]) - len(named)
        if rest or part["not_read"]:
            out.print(f"… and {rest + part['not_read']:,} more; --json has up to 1,000", soft_wrap=True)
    if not answer["by"]:
        out.print("there is one group only in each dimension: nothing to split", soft_wrap=True)
    out.print(answer["caveat"], soft_wrap=True)
