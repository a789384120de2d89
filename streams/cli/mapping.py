"""The commands `mapping try`, `list` and `check`: how foreign messages become events."""

import json
from collections import Counter
from typing import Annotated, Any

import typer

from touchstream.schemas.times import now_ms
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.channels.files.compressed import ByteSource, FileProblem
from touchstream.streams.channels.files.judged import Judge
from touchstream.streams.channels.files.reader import read_chunks
from touchstream.streams.channels.formats.mapping import MappingError
from touchstream.streams.channels.formats.message_mapping import (
    SHIPPED,
    MessageMapping,
    mapping_of,
    message_mapping,
    shipped_mappings,
)
from touchstream.streams.cli.output import (
    FAILED,
    WRONG_USE,
    Json,
    err,
    escaped,
    fail,
    load_settings,
    out,
    print_json,
    print_table,
)


def try_mapping(
    mapping: Annotated[str, typer.Argument(help="MAPPING.yaml, or the name of a shipped mapping.")],
    messages: Annotated[str, typer.Argument(help="A file of messages: NDJSON, CSV or Parquet; - is standard input.")],
    file_format: Annotated[str | None, typer.Option("--format", help="ndjson, csv or parquet; else by name.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most events and refusals shown.")] = 20,
    as_json: Json = False,
) -> None:
    """What would become of each message, without publishing anything: its events, or why there is none.

    Exit code 1: a message would be refused.

    Example: touchstream mapping try segment messages.ndjson
    """
    settings = load_settings(local=False)
    void_ids = VoidIds.of(settings.void_words)
    shown: list[dict[str, Any]] = []
    skipped, refused, events = Counter[str](), 0, 0
    try:
        judge, source = Judge(void_ids, settings.scales()), ByteSource(messages)
        for chunk in read_chunks(source, file_format, mapping_of(mapping)):
            judged = judge.judged(chunk, now_ms())
            skipped += chunk.skipped
            refused, events = refused + len(judged.refused), events + judged.events.height
            found: list[dict[str, Any]] = [{"line": number, "event": event} for number, event in judged.lines()]
            found += [{"line": one.number, "refused": one.reason.value, "why": one.detail} for one in judged.refused]
            shown += sorted(found, key=_line)[: limit - len(shown)]
    except (FileProblem, MappingError) as error:
        fail(escaped(str(error)), WRONG_USE)
    if as_json:
        print_json({"events": events, "refused": refused, "skipped": dict(skipped), "shown": shown})
    else:
        _print(shown, events, refused, skipped)
    if refused:
        raise typer.Exit(FAILED)


def list_mappings(as_json: Json = False) -> None:
    """The mappings that come with this version: names for `--map`, `mapping try` and the gateway's sources.

    Example: touchstream mapping list
    """
    rows = [_row(message_mapping(SHIPPED / f"{name}.yaml")) for name in shipped_mappings()]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "rules", "description"])


def check_mapping(
    mapping: Annotated[str, typer.Argument(help="MAPPING.yaml, or the name of a shipped mapping.")],
) -> None:
    """Whether a mapping can be used; each error with its line.

    Example: touchstream mapping check webhook.yaml
    """
    try:
        found = mapping_of(mapping)
    except MappingError as error:
        fail(escaped(str(error)), WRONG_USE)
    if isinstance(found, MessageMapping):
        out.print(f"{mapping}: {len(found.events)} rules make events", markup=False)
    else:
        out.print(f"{mapping}: {len(found.columns)} columns become fields", markup=False)


def _line(shown: dict[str, Any]) -> int:
    return int(shown["line"])


def _row(mapping: MessageMapping) -> dict[str, Any]:
    return {"name": mapping.name, "rules": len(mapping.events), "description": mapping.description}


def _print(shown: list[dict[str, Any]], events: int, refused: int, skipped: Counter[str]) -> None:
    for one in shown:
        if "event" in one:
            out.print(f"{one['line']}: {json.dumps(one['event'], ensure_ascii=False)}", markup=False, soft_wrap=True)
        else:
            out.print(f"{one['line']}: refused, {one['refused']}: {one['why']}", markup=False, soft_wrap=True)
    for why, count in sorted(skipped.items()):
        err.print(f"no event, because {escaped(why)}: {count:,}", soft_wrap=True)
    more = events + refused - len(shown)
    err.print(f"{events:,} events, {refused:,} refused" + (f"; {more:,} are not shown: --limit" if more else ""))
