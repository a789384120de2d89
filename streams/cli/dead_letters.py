"""Commands over dead letters: list, replay."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from touchstream.schemas.registry import RegistryUnavailable
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.upkeep.dead_letters import dead_letters
from touchstream.streams.cli.output import (
    Json,
    err,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    out,
    print_json,
    print_table,
    progress_bar,
)
from touchstream.streams.cli.time_arguments import point_in_time
from touchstream.streams.upkeep.dead_letter_replay import (
    ALREADY_COUNTED,
    ANSWERS,
    LETTERS_MAX,
    UNKNOWN,
    LetterSelection,
    Replay,
    ReplayError,
    ReplaySummary,
)


def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most dead letters, the newest first.")] = 100,
    reason: Annotated[str | None, typer.Option(help="Only with this reason, such as out_of_scale.")] = None,
    as_json: Json = False,
) -> None:
    """Events that could not be used, and why.

    Example: touchstream dead-letters list --reason out_of_scale
    """
    settings = load_settings()
    with errors_in_one_line():
        letters = dead_letters(connect(settings.clickhouse_url), limit, reason)
    rows = [
        {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.log_offset,
            "reason": letter.reason,
            "detail": letter.detail,
            "key": _text(letter.key),
            "value": _text(letter.value),
            "replayed_at": None if letter.replayed_at_ms is None else _instant(letter.replayed_at_ms),
        }
        for letter in letters
    ]
    if as_json:
        print_json(rows)
    else:
        shown = [row | {"value": str(row["value"] or "")[:80]} for row in rows]
        print_table(shown, ["partition", "offset", "reason", "detail", "value", "replayed_at"])


def replay_dead_letters(
    reason: Annotated[str | None, typer.Option(help="Only with this reason, such as unknown_schema.")] = None,
    since: Annotated[str | None, typer.Option(help="Only those recorded since: ISO 8601 (UTC), epoch ms, -1h.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report what would be accepted, and send nothing.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=LETTERS_MAX, help="Most dead letters, the oldest first.")
    ] = LETTERS_MAX,
    rate: Annotated[float, typer.Option(min=0.1, help="Most events per second.")] = 1_000.0,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for workers after an interrupted replay.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Publish dead letters again, after a mend, with their own event_id. What would be refused again is left as it is.

    None counts twice: not when this is interrupted, nor when it runs again, now or later. What the gateway refused
    because its key may not send it comes back only with --reason not_allowed.

    Example: touchstream dead-letters replay --reason unknown_schema --since -2d --dry-run
    """
    settings = load_settings()
    with errors_in_one_line(), progress_bar() as progress:
        selection = LetterSelection(reason, point_in_time(since) if since else LetterSelection.since_ms, limit)
        bar = progress.add_task("dead letters", total=None)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        try:
            replay = Replay(settings)
            summary = replay.rehearse(selection, show) if dry_run else replay.run(selection, rate, timeout, show)
        except (ReplayError, RegistryUnavailable) as error:
            fail(escaped(str(error)))
    changes = [
        dict(zip(("journey", "stage", "reason"), place, strict=True))
        | {name: change[name] for name in ("touches", "purchases", *ANSWERS)}
        for place, change in sorted(summary.changes.items())
    ]
    if as_json:
        print_json(
            {"letters": summary.letters, "published": summary.published, "dry_run": dry_run}
            | {"verdicts": dict(sorted(summary.verdicts.items())), "changes": changes}
        )
    else:
        _print(summary, changes, dry_run)


def _print(summary: ReplaySummary, changes: list[dict[str, Any]], dry_run: bool) -> None:
    done = "would be published" if dry_run else f"{summary.published:,} published"
    err.print(f"{summary.letters:,} dead letters that have not been used: {done}")
    rows = [{"verdict now": name, "letters": letters} for name, letters in sorted(summary.verdicts.items())]
    if rows:
        print_table(rows, ["verdict now", "letters"])
    if changes:
        title = "Events that metrics would gain" if dry_run else "Events that metrics gain"
        kept = [name for name in changes[0] if any(row[name] for row in changes)]
        print_table(changes, kept, title)
    if summary.verdicts[ALREADY_COUNTED]:
        out.print("counted: the event was counted meanwhile; it is not sent")
    if summary.verdicts[UNKNOWN]:
        out.print("unknown: an interrupted replay may have sent it before raw events were deleted; it is left alone")


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "backslashreplace")


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
