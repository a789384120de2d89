"""A batch of Kafka records of one partition, in columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from touchstream.schemas.touchpoint import FUTURE_LIMIT_MS

Headers = Sequence[tuple[str, bytes]]

CONTROL_HEADER: Final = "touchstream-control"
"""Header of the records that steer a lane through its own log, with their kind (`streams.measure.controls`)."""
LOG_APPEND_TIME: Final = 1
"""Kafka's type of a timestamp that the broker has set."""


@dataclass(frozen=True)
class Records:
    """Records in offset order; offsets may have gaps. timestamps_ms: −1 where a record has none."""

    offsets: npt.NDArray[np.int64]
    timestamps_ms: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers]

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, span: slice) -> "Records":
        return Records(
            self.offsets[span], self.timestamps_ms[span], self.keys[span], self.values[span], self.headers[span]
        )

    @classmethod
    def of(cls, messages: Sequence[Any], now_ms: int) -> "Records":
        """What a Kafka client delivers: objects with offset, timestamp, timestamp_type, key, value, headers.

        now_ms: the reader's clock. No producer's timestamp is taken as later than ten minutes after it, else one would
        move the lane's clock for good. A broker's timestamp (LogAppendTime) is never touched.
        """
        size = len(messages)
        timestamps = np.fromiter((-1 if one.timestamp is None else one.timestamp for one in messages), np.int64, size)
        latest_ms = now_ms + FUTURE_LIMIT_MS
        for at in map(int, np.flatnonzero(timestamps > latest_ms)):
            if messages[at].timestamp_type != LOG_APPEND_TIME:
                timestamps[at] = latest_ms
        return cls(
            np.fromiter((one.offset for one in messages), np.int64, size),
            timestamps,
            [one.key for one in messages],
            [one.value for one in messages],
            [tuple(one.headers) for one in messages],
        )

    @classmethod
    def joined(cls, pieces: "Sequence[Records]") -> "Records":
        """One batch of several that follow each other; at least one."""
        if len(pieces) == 1:
            return pieces[0]
        return cls(
            np.concatenate([piece.offsets for piece in pieces]),
            np.concatenate([piece.timestamps_ms for piece in pieces]),
            [key for piece in pieces for key in piece.keys],
            [value for piece in pieces for value in piece.values],
            [headers for piece in pieces for headers in piece.headers],
        )

    def since(self, offset: int) -> "Records":
        """The records at or above an offset."""
        return self[int(np.searchsorted(self.offsets, offset)) :]

    def chosen(self, chosen: npt.NDArray[np.bool_]) -> "Records":
        """Those of a mask."""
        positions = [int(at) for at in np.flatnonzero(chosen)]
        return Records(
            self.offsets[positions],
            self.timestamps_ms[positions],
            [self.keys[at] for at in positions],
            [self.values[at] for at in positions],
            [self.headers[at] for at in positions],
        )

    def controls(self) -> list[int]:
        """Where control records stand among them."""
        if not any(self.headers):  # by far the most, and found out without a loop in Python
            return []
        found = [at for at, headers in enumerate(self.headers) for name, _ in headers if name == CONTROL_HEADER]
        return list(dict.fromkeys(found))  # the header may stand there twice
