"""Records that wait to be measured together: a batch of one costs some ten milliseconds, as one of a thousand does.

Where batches are cut changes no row (the one rule), and nothing is visible before a flush: the wait is free.
"""

from touchstream.streams.measure.lane import PENDING_ROW_BYTES
from touchstream.streams.measure.records import Records


class Buffer:
    """What one lane has read and not measured yet."""

    def __init__(self) -> None:
        self._pieces: list[Records] = []
        self.rows = 0
        """Records that wait; large ones count as several (PENDING_ROW_BYTES)."""
        self.end = 0
        """The offset behind the last record that was ever added."""

    def add(self, records: Records) -> None:
        """Records that go on from those before; what was added already is passed over."""
        new = records.since(self.end)
        if len(new):
            self._pieces.append(new)
            self.rows += max(len(new), sum(len(value or b"") for value in new.values) // PENDING_ROW_BYTES)
            self.end = int(new.offsets[-1]) + 1

    def take(self) -> Records | None:
        """All of them, once; None where there are none."""
        pieces, self._pieces, self.rows = self._pieces, [], 0
        return Records.joined(pieces) if pieces else None
