"""The account of lines that could not become events."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from touchstream.streams.channels.files.chunks import RefusedLine
from touchstream.streams.channels.files.compressed import FileProblem

EXAMPLES_PER_REASON = 3


class RefusedLines:
    """Counts them by reason, keeps a few of each as examples, and writes all of them to a file if asked."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self._file: BinaryIO | None = None

    @property
    def count(self) -> int:
        """How many there were."""
        return self.reasons.total()

    @contextmanager
    def written_to(self, path: Path) -> Iterator[None]:
        """Write each to `path` as NDJSON: file, line, reason, detail and its `text`, or `base64` if it is no UTF-8.

        Raises FileProblem if it can't be written.
        """
        try:
            file = path.open("wb")
        except OSError as error:
            raise FileProblem(f"{path}: can't be written: {error.strerror}") from error
        with file:
            self._file = file
            yield
        self._file = None

    @contextmanager
    def kept_in(self, directory: Path) -> Iterator[Path]:
        """The same for lines of which there is no other copy: a new private file, removed again if none was refused.

        Raises FileProblem if it can't be written.
        """
        path = directory / f"refused-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.ndjson"
        try:
            path.touch(0o600, exist_ok=False)
        except OSError as error:
            raise FileProblem(
                f"{path}: can't be written: {error.strerror}; lines of standard input that are refused are kept there:"
                " name another file with --refused"
            ) from error
        try:
            with self.written_to(path):
                yield path
        finally:
            if not self.count:
                path.unlink(missing_ok=True)

    def add(self, file: str, lines: Sequence[RefusedLine]) -> None:
        """Lines of one file."""
        for line in lines:
            self.reasons[line.reason.value] += 1
            examples = self.examples.setdefault(line.reason.value, [])
            if len(examples) < EXAMPLES_PER_REASON:
                examples.append(f"{file}:{line.number}: {line.detail}")
            if self._file is not None:
                self._file.write(_record(file, line) + b"\n")
        if self._file is not None and lines:
            self._file.flush()  # before their good neighbours are acknowledged


def _record(file: str, line: RefusedLine) -> bytes:
    record = {"file": file, "line": line.number, "reason": line.reason.value, "detail": line.detail}
    try:
        record["text"] = line.content.decode("utf-8")
    except UnicodeDecodeError:
        record["base64"] = base64.b64encode(line.content).decode("ascii")
    return msgspec.json.encode(record)
