"""The events of a chunk of lines, judged by the rules that hold at every door."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.scales import Scales
from touchstream.schemas.validity_of_columns import refusals
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.channels.files.chunks import Chunk, RefusedLine

_TIMES = ("occurred_at", "received_at")


@dataclass(frozen=True)
class JudgedChunk:
    """Valid events as columns, in their order, with the number of each one's line; refused lines in theirs."""

    events: pl.DataFrame
    numbers: list[int]
    refused: list[RefusedLine]

    def lines(self) -> Iterator[tuple[int, dict[str, object]]]:
        """Each event with the number of its line, without the fields that it doesn't have."""
        for number, event in zip(self.numbers, self.events.iter_rows(named=True), strict=True):
            del event["position"]
            yield number, {name: value for name, value in event.items() if value not in (None, [], {})}


class Judge:
    """Judges chunk after chunk. void_ids: what is no id. scales: of declared instruments; None where not known."""

    def __init__(self, void_ids: VoidIds, scales: Scales | None = None) -> None:
        self._void_ids, self._scales, self._writers = void_ids, scales, WriterSchemas()

    def judged(self, chunk: Chunk, record_at_ms: int, shift_ms: int = 0) -> JudgedChunk:
        """record_at_ms: what the future is ahead of (ms since 1970). shift_ms: added to all times before."""
        frame, undecodable = decode_batch(chunk.lines, self._writers)
        if shift_ms:  # by some centuries at most: a time at the end of 64 bits wraps around to one as absurd
            frame = frame.with_columns(pl.col(_TIMES) + shift_ms)
        events, invalid = refusals(frame, np.full(len(chunk.lines), record_at_ms), self._void_ids, self._scales)
        refusals_by_position = {at.position: at for at in (*undecodable, *invalid)}
        refused = [
            RefusedLine(chunk.numbers[position], at.reason, at.detail, chunk.content[position])
            for position, at in refusals_by_position.items()
        ]
        numbers = [number for position, number in enumerate(chunk.numbers) if position not in refusals_by_position]
        return JudgedChunk(events, numbers, sorted(chunk.refused + refused, key=lambda line: line.number))
