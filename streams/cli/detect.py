"""The command `detect`: anomalies of a series of numbers."""

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from touchstream.streams.channels.files.compressed import STDIN, ByteSource, FileProblem
from touchstream.streams.channels.files.lines import in_utf8, split_lines
from touchstream.streams.cli.output import (
    FAILED,
    WRONG_USE,
    Json,
    err,
    escaped,
    fail,
    out,
    print_json,
    print_table,
)
from touchstream.streams.watch.series.detector import LEARNING, SeriesDetector, SeriesVerdict
from touchstream.streams.watch.series.reading import BadLine, SeriesProblem, SeriesReader, SeriesRow

BAD_LINES_SHOWN: Final = 10
TABLE_ROWS_KEPT: Final = 1_000
"""Rows of a table, the first: a stream has no end, and a table is drawn at its end."""
_COLUMNS: Final = ("line", "time", "value", "score", "told", "why", "expected", "low", "high")


def detect(
    file: Annotated[str, typer.Argument(help="CSV with a header or NDJSON, also .gz .zst .xz; - is standard input.")],
    time: Annotated[
        str | None, typer.Option(help="Column of the time; timestamp, time, date or ts by default.")
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(help="Column of a series; value, or the only other one, by default. May be given several times."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Print all values, not only those that are told.")] = False,
    as_json: Json = False,
) -> None:
    """Find anomalies of a series of numbers: jumps, levels that shifted, unrest. Settings and servers are not needed.

    For numbers that are no counts, shares or answers: those have rules (`touchstream alerts`).
    The first 200 values are learnt from. Values are judged in the order of the lines.
    With --json, each value is an object a line, as soon as it is read. Exit code 1: a line could not be used.

    Example: touchstream detect latency.csv --value p95 --json
    """
    counts = _Counts()
    try:
        source = ByteSource(file)
        reader = SeriesReader(source.name, time, value or ())
        for row in _judged(reader, source, counts):
            if as_json:
                print_json(row)
                if file == STDIN:  # what comes slowly is wanted as it comes
                    sys.stdout.flush()
            elif row["told"] or every:
                counts.keep(row)
    except (FileProblem, SeriesProblem) as error:
        fail(escaped(str(error)), WRONG_USE)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # `| head` has seen enough; what Python would flush at its end goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not as_json:
        _print(counts, many=len(reader.values) > 1)
    counts.report()
    if counts.bad:
        raise typer.Exit(FAILED)


class _Counts:
    """What happened to the lines, and what a table shows of them."""

    def __init__(self) -> None:
        self.values = self.told = self.shown = self.bad = self.backwards = 0
        self.kept: list[dict[str, Any]] = []
        self._last = float("-inf")

    def add(self, row: SeriesRow) -> None:
        """Count a row."""
        self.backwards += row.seconds < self._last
        self._last = row.seconds

    def keep(self, row: dict[str, Any]) -> None:
        """Keep a row of the table, the first ones."""
        self.shown += 1
        if len(self.kept) < TABLE_ROWS_KEPT:
            self.kept.append(row)

    def refuse(self, line: BadLine) -> None:
        """Count a bad line, and say so for the first ones."""
        self.bad += 1
        if self.bad <= BAD_LINES_SHOWN:
            err.print(f"line {line.line}: {escaped(line.reason)}; it is left out", soft_wrap=True)

    def report(self) -> None:
        """On standard error: what a reader of the answer needs to know of the file."""
        if self.bad > BAD_LINES_SHOWN:
            err.print(f"{self.bad - BAD_LINES_SHOWN:,} more lines could not be used")
        if self.backwards:
            err.print(
                f"{self.backwards:,} times are before the one above them; values were judged in the order of lines"
            )


def _judged(reader: SeriesReader, source: ByteSource, counts: _Counts) -> Iterator[dict[str, Any]]:
    """What is said of each value, as rows of the answer."""
    detectors: list[SeriesDetector] = []
    for row in reader.rows(split_lines(in_utf8(source.blocks(), source.name, None))):
        if isinstance(row, BadLine):
            counts.refuse(row)
            continue
        counts.add(row)
        detectors = detectors or [SeriesDetector() for _ in reader.values]
        for series, detector, value in zip(reader.values, detectors, row.values, strict=True):
            verdict = detector.see(row.seconds, value)
            counts.values += value is not None
            counts.told += verdict.told
            yield _row(row, series, value, verdict)


def _row(row: SeriesRow, series: str, value: float | None, verdict: SeriesVerdict) -> dict[str, Any]:
    return {"line": row.line, "time": row.time, "series": series, "value": value, **asdict(verdict)}


def _print(counts: _Counts, *, many: bool) -> None:
    columns = (*_COLUMNS[:2], "series", *_COLUMNS[2:]) if many else _COLUMNS
    shown = [
        {name: round(cell, 3) if name == "score" else _rounded(cell) for name, cell in row.items()}
        for row in counts.kept
    ]
    if shown:
        print_table(shown, columns)
    if counts.shown > len(counts.kept):
        err.print(f"{counts.shown - len(counts.kept):,} more rows are left out; --json has all")
    out.print(f"{counts.told:,} of {counts.values:,} values are told")
    if counts.values <= LEARNING:
        err.print(f"the first {LEARNING} values of a series are learnt from: there is nothing to tell of yet")


def _rounded(cell: Any) -> Any:
    return float(f"{cell:.6g}") if isinstance(cell, float) else cell
