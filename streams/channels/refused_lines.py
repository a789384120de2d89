"""The account of lines that could not become events."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from streams.channels.chunks import RefusedLine
from streams.channels.compressed import FileProblem

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

    def add(self, file: str, lines: Sequence[RefusedLine]) -> None:
        """Lines of one file."""
        for line in lines:
            self.reasons[line.reason.value] += 1
            examples = self.examples.setdefault(line.reason.value, [])
            if len(examples) < EXAMPLES_PER_REASON:
                examples.append(f"{file}:{line.number}: {line.detail}")
            if self._file is not None:
                self._file.write(_record(file, line) + b"\n")


def _record(file: str, line: RefusedLine) -> bytes:
    record = {"file": file, "line": line.number, "reason": line.reason.value, "detail": line.detail}
    try:
        record["text"] = line.content.decode("utf-8")
    except UnicodeDecodeError:
        record["base64"] = base64.b64encode(line.content).decode("ascii")
    return msgspec.json.encode(record)
