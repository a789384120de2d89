"""The command `spending`: how much more happier customers spend afterwards."""

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.insight.answers import SIDES
from touchstream.sinks.clickhouse.insight.spending import SpendingQuestion, SpendingRead, spending_rows
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
from touchstream.streams.insight.spending.model import ScoreBand, Spenders, SpendingFound, bands, spending

CAVEAT: Final = (
    "Spending that goes with the score among people alike in earlier spending, segment and tenure: not what a raised "
    "score would bring."
)


def ask_spending(
    score: Annotated[str, typer.Option(help=f"The instrument whose answers count: {', '.join(SIDES)}.")],
    days: Annotated[int, typer.Option(min=1, max=730, help="Days after the answer in which spending counts.")] = 90,
    currency: Annotated[
        str | None, typer.Option(help="Purchases in this currency; needed where there are several.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Answers from this time on: ISO 8601 (UTC), epoch ms, -1h.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Answers up to before this time.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only answers where: touchpoint=checkout. Once for each dimension.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How much more happier customers spend in the days after their answer, held against people like them.

    Example: touchstream spending --score nps --days 90 --currency EUR
    """
    if score not in SIDES:
        fail(f"--score {escaped(score)}: take one of {', '.join(SIDES)}", WRONG_USE)
    kept = filters(where or [])
    settings = load_settings()
    with errors_in_one_line(), err.status("reading answers and purchases"):
        from_ms, to_ms = (point_in_time(text) if text else None for text in (start, end))
        question = SpendingQuestion(score, days, currency, from_ms, to_ms, kept)
        read = spending_rows(connect(settings.clickhouse_url), question, settings.topic)
        answer, after, before, returned, tenure = read.columns.T
        people = Spenders(answer, after, before, returned, tenure, read.segments)
        found, by_score = spending(people), bands(people)
    if as_json:
        print_json(_answer(question, read, found, by_score))
    else:
        _show(question, read, found, by_score)


def _answer(
    question: SpendingQuestion, read: SpendingRead, found: SpendingFound, by_score: list[ScoreBand]
) -> dict[str, Any]:
    about = {"score": question.score, "days": question.days, "currency": read.currency}
    times = {"from_ms": question.from_ms, "to_ms": question.to_ms, "known_ms": read.known_ms}
    rest = {"where": dict(question.where), "young": read.young, "one_in": read.one_in, "caveat": CAVEAT}
    return about | times | asdict(found) | {"by_score": [asdict(band) for band in by_score]} | rest


def _show(question: SpendingQuestion, read: SpendingRead, found: SpendingFound, by_score: list[ScoreBand]) -> None:
    slope = found.adjusted
    title = (
        f"{slope.percent:+.1f} % [{slope.low:+.1f}, {slope.high:+.1f}] a point of {question.score} in {question.days} "
        f"days after the answer, p {slope.p:.3f}; {found.people:,} people, {found.buyers:,} of them bought"
    )
    columns = ("score", "people", "mean_after", "mean_before")
    print_table([asdict(band) for band in by_score], columns, escaped(title))
    plain = found.plain
    out.print(
        f"worth {found.per_point:,.0f} minor units of {escaped(read.currency)} a point for a mean person; without "
        f"holding earlier spending, segment and tenure it would read {plain.percent:+.1f} %",
        soft_wrap=True,
    )
    out.print(
        f"{found.returned:.1%} of it was given back; {read.young:,} people answered less than {question.days} days ago "
        "and are left out",
        soft_wrap=True,
    )
    if read.one_in > 1:
        out.print(f"read: one in {read.one_in:,} people", soft_wrap=True)
    out.print(CAVEAT, soft_wrap=True)
