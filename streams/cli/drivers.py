"""The command `drivers`."""

from dataclasses import asdict
from typing import Annotated, Any, Final

import numpy as np
import typer

from touchstream.schemas.touchpoint import SCALES
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.insight.answers import PLACES, SIDES, DriverAnswers, DriverQuestion, driver_answers
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
from touchstream.streams.insight.drivers.advice import advice
from touchstream.streams.insight.drivers.analysis import DriverChoice, Drivers, analyse, choose

CAVEAT: Final = "Answers that go together: a driver need not be a cause, and what was not asked is in no part."
_SHOWN: Final = ("n", "performance", "r", "part", "part_low", "part_high", "share", "last", "p", "advice")


def ask_drivers(
    target: Annotated[str, typer.Option(help=f"The instrument whose answers are to be explained: {', '.join(SIDES)}.")],
    at: Annotated[
        list[str] | None,
        typer.Option(help="Only its answers at this touchpoint (stage, channel: --by). May be given several times."),
    ] = None,
    by: Annotated[str, typer.Option(help=f"What the drivers are: {', '.join(PLACES)}.")] = "touchpoint",
    answers: Annotated[
        str | None, typer.Option(help="The instrument of the drivers' answers; that of the target by default.")
    ] = None,
    side: Annotated[
        str | None, typer.Option(help="Explain only who is unhappy (nps 0-6, csat 1-2, ces 1-3), or who is happy.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="From this time on: ISO 8601 (UTC), epoch ms, -1h.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to before this time.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only where: segment=premium. Once for each dimension.")
    ] = None,
    draws: Annotated[int, typer.Option(min=200, max=10_000, help="Draws of the bootstrap, and permutations.")] = 1_000,
    as_json: Json = False,
) -> None:
    """What goes with a good answer: the part of each touchpoint in a target's variance, with intervals.

    Example: touchstream drivers --target csat --at overall --from -90d
    """
    answered = answers or target
    for option, value, known in (
        ("--target", target, SIDES), ("--answers", answered, SIDES), ("--by", by, PLACES),
        ("--side", side, (None, "unhappy", "happy")),
    ):  # fmt: skip
        if value not in known:
            fail(f"{option} {escaped(str(value))}: take one of {', '.join(filter(None, known))}", WRONG_USE)
    if answered == target and not at:
        fail(f"say with --at which answers to {target} are the target: the others are its drivers", WRONG_USE)
    kept = filters(where or [])
    settings = load_settings()
    with errors_in_one_line(), err.status("reading answers"):
        from_ms, to_ms = (point_in_time(text) if text else None for text in (start, end))
        question = DriverQuestion(target, tuple(at or ()), by, answered, side, from_ms, to_ms, kept)
        read = driver_answers(connect(settings.clickhouse_url), question)
        choice = choose(read.matrix)
        used = read.matrix[:, [0, *(1 + driver for driver in choice.used)]]
        # Who answered none of the drivers that are left says nothing of them.
        used = used[~np.isnan(used[:, 1:]).all(axis=1)]
        found = analyse(used, draws)
    answer = _answer(question, read, choice, used, found)
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _answer(
    question: DriverQuestion, read: DriverAnswers, choice: DriverChoice, used: np.ndarray[Any, Any], found: Drivers
) -> dict[str, Any]:
    names = [read.items[driver] for driver in choice.used]
    lowest, highest = SCALES[question.answers]
    performance = 100 * (np.nanmean(used[:, 1:], axis=0) - lowest) / (highest - lowest)
    words = advice(np.array([driver.part for driver in found.drivers]), performance)
    rows: list[dict[str, Any]] = []
    for name, good, word, driver in zip(names, performance, words, found.drivers, strict=True):
        row = {question.by: name, "performance": float(good)} | asdict(driver)
        del row["at"]
        good_way = driver.r < 0 if question.side == "unhappy" else driver.r > 0
        rows.append(row | {"advice": word if driver.driver and good_way else None})
    rows.sort(key=lambda row: -row["part"])
    return {
        "target": question.target,
        "target_at": list(question.target_at),
        "side": question.side,
        "by": question.by,
        "answers": question.answers,
        "from_ms": question.from_ms,
        "to_ms": question.to_ms,
        "where": dict(question.where),
        **{name: value for name, value in asdict(found).items() if name != "drivers"},
        "one_in": read.one_in,
        "drivers": rows,
        "left_out": [{question.by: read.items[driver], "reason": why} for driver, why in choice.left_out.items()],
        "not_offered": read.items_in_all - len(read.items),
        "caveat": CAVEAT,
    }


def _show(answer: dict[str, Any]) -> None:
    at = f" at {', '.join(answer['target_at'])}" if answer["target_at"] else ""
    side = f", {answer['side']} or not" if answer["side"] else ""
    title = (
        f"R² of {answer['target']}{at}{side}: {answer['r2']:.3f} [{answer['r2_low']:.3f}, {answer['r2_high']:.3f}], "
        f"{answer['people']:,} people, at least {answer['pairs_min']:,} for a pair of answers"
    )
    print_table(answer["drivers"], [answer["by"], *_SHOWN], escaped(title))
    for left_out in answer["left_out"]:
        out.print(escaped(f"left out: {left_out[answer['by']]} ({left_out['reason']})"), soft_wrap=True)
    if answer["not_offered"]:
        out.print(f"left out: {answer['not_offered']:,} more with fewer people", soft_wrap=True)
    if answer["one_in"] > 1:
        out.print(f"read: one in {answer['one_in']:,} people", soft_wrap=True)
    if answer["repaired"] or answer["draws_repaired"]:
        out.print(
            f"repaired: correlations changed by {answer['repaired']:.3f} at most, and in "
            f"{answer['draws_repaired']:.1%} of {answer['draws']:,} draws: no people could have them all",
            soft_wrap=True,
        )
    out.print(answer["caveat"], soft_wrap=True)
