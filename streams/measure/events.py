"""From the records of a run to judged events: decoded, validated, resolved, told apart from duplicates."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.journey import Journeys
from touchstream.schemas.touchpoint import NUMBERS, Reason, Refusal, column_of
from touchstream.schemas.validity_of_columns import refusals
from touchstream.streams.measure.definitions import Definitions
from touchstream.streams.measure.identity import CANONICAL_KEY
from touchstream.streams.measure.measures import millionths
from touchstream.streams.measure.panes import SERIES, Series
from touchstream.streams.measure.records import Headers, Records
from touchstream.streams.measure.refused import refused_before

Times = npt.NDArray[np.int64]

_RESOLVED_BY: Final = ("journey", "stage", "channel", "touchpoint", "segment", "action")
_MAYBE_EMPTY: Final = (
    "customer_id", "anonymous_id", "segment", "outcome", "currency", "source", "sent_by", "instrument",
    "amends",
)  # fmt: skip
_NO_TIME: Final = np.iinfo(np.int64).min


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be used, kept as it came. record_at: ms since 1970."""

    log_offset: int
    record_at: int
    reason: Reason
    detail: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True)
class Clocks:
    """For each record of a run: its own time, and the lane clock once it is seen (ms)."""

    record_at: Times
    lane_clock: Times

    @classmethod
    def of(cls, records: Records, lane_clock: int) -> "Clocks":
        """A record without a timestamp takes the lane clock as its own."""
        stamped = records.timestamps_ms >= 0
        highest = np.maximum.accumulate(np.where(stamped, records.timestamps_ms, lane_clock))
        clock = np.maximum(highest, lane_clock)
        return cls(np.where(stamped, records.timestamps_ms, clock), clock)

    def __getitem__(self, chosen: slice | npt.NDArray[np.bool_]) -> "Clocks":
        return Clocks(self.record_at[chosen], self.lane_clock[chosen])


def decode(
    records: Records, clocks: Clocks, writers: WriterSchemas, definitions: Definitions
) -> tuple[pl.DataFrame, list[DeadLetter]]:
    """The usable events of a run, with log_offset, record_at, lane_clock, kafka_key beside the touchpoint's own."""
    if said := refused_before(records.headers):
        others = np.ones(len(records), np.bool_)
        others[[refusal.position for refusal in said]] = False
        frame, letters = decode(records.chosen(others), clocks[others], writers, definitions)
        letters += dead_letters(records, clocks, said)
        return frame, sorted(letters, key=lambda letter: letter.log_offset)
    decoded = decode_batch(records.values, writers)
    frame, invalid = refusals(decoded.frame, clocks.record_at, definitions.void_ids, definitions.scales)
    positions = frame["position"].to_numpy()
    frame = frame.with_columns(
        log_offset=pl.Series(records.offsets[positions]),
        record_at=pl.Series(clocks.record_at[positions]),
        lane_clock=pl.Series(clocks.lane_clock[positions]),
        kafka_key=pl.Series(records.keys, dtype=pl.Binary).gather(positions),
    )
    refused = [*decoded.refused, *invalid]
    pane_retention_ms = definitions.pane_retention_ms
    if pane_retention_ms and (too_old := frame["occurred_at"] < frame["lane_clock"] - pane_retention_ms).any():
        refused += [
            Refusal(position, Reason.TOO_OLD, f"occurred_at {occurred_at} is past the retention of panes")
            for position, occurred_at in frame.filter(too_old).select("position", "occurred_at").rows()
        ]
        frame = frame.filter(~too_old)
    return frame, dead_letters(records, clocks, refused)


def dead_letters(records: Records, clocks: Clocks, refused: Sequence[Refusal]) -> list[DeadLetter]:
    """The refused records of a run, in offset order."""
    return [
        DeadLetter(
            int(records.offsets[at]),
            int(clocks.record_at[at]),
            refusal.reason,
            refusal.detail,
            records.keys[at],
            records.values[at],
            records.headers[at],
        )
        for refusal in sorted(refused, key=lambda refusal: refusal.position)
        for at in (refusal.position,)
    ]


def resolve(
    frame: pl.DataFrame, journeys: Journeys, numbers: Callable[[Iterable[Series]], Sequence[int]]
) -> pl.DataFrame:
    """Replace journey and stage by what the definitions make of them; adds `declared`, and the number of the `series`.

    numbers: of series; it is asked once for each combination of names.
    """
    given = [*_RESOLVED_BY, *journeys.attribute_columns]
    frame = journeys.with_attributes(frame)
    combinations = frame.select(given).unique()
    combinations = combinations.hstack(journeys.answers(combinations))
    series = combinations.select("to_journey", "to_stage", *SERIES[2:]).rows()
    table = combinations.with_columns(series=pl.Series(numbers(series), dtype=pl.UInt32))
    resolved = frame.join(table, on=given, how="left", nulls_equal=True, maintain_order="left")
    return resolved.with_columns(journey="to_journey", stage="to_stage").drop(
        "to_journey", "to_stage", *journeys.attribute_columns
    )


def measured(frame: pl.DataFrame, lateness_ms: int) -> pl.DataFrame:
    """Add what measures need: late, and fractions in integers; empty strings stand for what is not there.

    A Kafka key is kept where it is not the one that the event should have.
    """
    return frame.with_columns(
        pl.col(*_MAYBE_EMPTY).fill_null(""),
        pl.col("kafka_key").fill_null(b""),
        late=pl.col("occurred_at") < pl.col("record_at") - lateness_ms,
        **{column_of(name): millionths(frame[name]) for name, avro in NUMBERS.items() if avro == "double"},
    ).with_columns(pl.when(pl.col("kafka_key") != CANONICAL_KEY).then("kafka_key"))
