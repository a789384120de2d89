"""The events of a benchmark: made in columns from a seed, so that every run and every contestant has the same.

All measures; up to a million customers, Zipf-distributed; 7 channels, 40 touchpoints, 3 segments; every event names its
stage and no event_id comes twice, so that a peer needs neither a journey file nor a memory of ids to do the same job.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro

from touchstream.schemas.codec import FINGERPRINT, SCHEMA_TEXT, SINGLE_OBJECT, without_logical_types

Integers = npt.NDArray[np.int64]

_NAMES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "web": {
        "awareness": ("landing",),
        "consideration": ("home", "search", "category", "product"),
        "purchase": ("cart", "checkout", "payment"),
        "support": ("help", "faq"),
        "loyalty": ("reviews",),
    },
    "app": {
        "consideration": ("search", "product", "wishlist"),
        "purchase": ("cart", "checkout"),
        "delivery": ("tracking",),
        "use": ("login", "account", "feature", "settings"),
        "loyalty": ("rewards",),
    },
    "store": {
        "consideration": ("browse",),
        "purchase": ("till", "self_checkout"),
        "support": ("service_desk", "returns_desk"),
    },
    "email": {
        "awareness": ("newsletter", "campaign"),
        "purchase": ("order_confirmation",),
        "use": ("welcome", "tips"),
        "loyalty": ("winback",),
    },
    "call_centre": {"support": ("hotline", "complaint_line", "callback"), "loyalty": ("renewal",)},
    "delivery": {"delivery": ("dispatch", "doorstep", "locker")},
    "survey": {
        "purchase": ("checkout_survey",),
        "delivery": ("delivery_survey",),
        "support": ("support_survey",),
        "loyalty": ("nps_survey",),
    },
}
PLACES: Final = tuple(
    (stage, channel, touchpoint)
    for channel, stages in _NAMES.items()
    for stage, touchpoints in stages.items()
    for touchpoint in touchpoints
)
"""(stage, channel, touchpoint) of every place where a customer may be met."""
SEGMENTS: Final = ("new", "regular", "premium")
ACTIONS: Final = ("view", "click", "contact", "purchase", "return", "survey")
OUTCOMES: Final = ("success", "failure", "abandoned")
CURRENCIES: Final = ("EUR", "USD", "GBP")
CUSTOMERS_MAX: Final = 1_000_000

SPAN_MS: Final = 60_000
"""The events are those of a minute."""
LATENESS_MS: Final = 60_000
_STAMPED_TOGETHER: Final = 500  # events that a producer sends at once carry one record timestamp
_LATE_SHARE: Final = 0.003
_ABSENT: Final = -1


@dataclass(frozen=True)
class Events:
    """Events in the order of their publication. Codes are indices into the constants above, −1 where there is none."""

    record_at: Integers
    """Timestamp of each record, ms; never falls, and is the same for some hundred in a row."""
    occurred_at: Integers
    customer: Integers
    place: Integers
    segment: Integers
    action: Integers
    outcome: Integers
    duration_ms: Integers
    nps: Integers
    csat: Integers
    ces: Integers
    sentiment_micro: npt.NDArray[np.float64]
    """Whole numbers, NaN where there is none: they are negative, too."""
    revenue_minor: npt.NDArray[np.float64]
    """The same."""
    currency: Integers
    campaign: Integers
    event_id: pa.StringArray

    def __len__(self) -> int:
        return len(self.record_at)

    def __getitem__(self, span: slice) -> "Events":
        return Events(*(getattr(self, name)[span] for name in self.__dataclass_fields__))

    def stamps(self) -> Iterator[tuple[slice, int]]:
        """Which events carry one record timestamp, and that timestamp."""
        starts = np.flatnonzero(np.diff(self.record_at, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], len(self)], strict=True):
            yield slice(start, end), int(self.record_at[start])

    @cached_property
    def customer_ids(self) -> pa.StringArray:
        """`customer_id`, which is also the record's key."""
        digits = pc.utf8_lpad(pa.array(self.customer).cast(pa.string()), 7, "0")
        return pc.binary_join_element_wise("c", digits, "")

    def record_keys(self) -> list[bytes]:
        """The key of each record."""
        keys: list[bytes] = self.customer_ids.cast(pa.binary()).to_pylist()
        return keys

    def record_values(self) -> list[bytes]:
        """Each event as an Avro single object."""
        (bodies,) = pyruhvro.serialize_record_batch(self._batch(), _AVRO, 1)
        header = SINGLE_OBJECT + FINGERPRINT
        return [header + body for body in bodies.to_pylist()]

    def _batch(self) -> pa.RecordBatch:
        columns = {
            "event_id": self.event_id,
            "occurred_at": pa.array(self.occurred_at),
            "customer_id": self.customer_ids,
            "channel": _named([channel for _, channel, _ in PLACES], self.place),
            "touchpoint": _named([touchpoint for _, _, touchpoint in PLACES], self.place),
            "stage": _named([stage for stage, _, _ in PLACES], self.place),
            "segment": _named(SEGMENTS, self.segment),
            "action": _named(ACTIONS, self.action),
            "outcome": _named(OUTCOMES, self.outcome),
            "duration_ms": _optional(self.duration_ms),
            "nps": _optional(self.nps),
            "csat": _optional(self.csat),
            "ces": _optional(self.ces),
            "sentiment": pa.array(self.sentiment_micro / 1e6, mask=np.isnan(self.sentiment_micro)),
            "revenue_minor": pa.array(self.revenue_minor, mask=np.isnan(self.revenue_minor)),
            "currency": _named(CURRENCIES, self.currency),
            "attributes": _attributes(self.campaign),
        }
        arrays = [
            columns[field.name].cast(field.type) if field.name in columns else pa.nulls(len(self), field.type)
            for field in _ARROW
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=_ARROW)


def generate(count: int, end_ms: int, seed: int = 1) -> Events:
    """So many events of the minute before `end_ms` (milliseconds since 1970)."""
    random = np.random.default_rng(seed)
    record_at = end_ms - SPAN_MS + np.arange(count) // _STAMPED_TOGETHER * _STAMPED_TOGETHER * SPAN_MS // max(count, 1)
    delay_ms = random.exponential(300, count) + (random.random(count) < _LATE_SHARE) * random.uniform(6e4, 6e5, count)
    place = _zipf(random, count, len(PLACES), 0.7)
    action, revenue_minor = _actions(random, place)
    return Events(
        record_at=record_at,
        occurred_at=record_at - delay_ms.astype(np.int64),
        customer=random.permutation(CUSTOMERS_MAX)[_zipf(random, count, CUSTOMERS_MAX, 1.0)],
        place=place,
        segment=random.choice(len(SEGMENTS), count, p=[0.2, 0.6, 0.2]),
        action=action,
        outcome=random.choice([0, 1, 2, _ABSENT], count, p=[0.7, 0.1, 0.05, 0.15]),
        duration_ms=_given(random, 0.6, random.lognormal(8, 1.5, count).astype(np.int64)),
        sentiment_micro=np.where(random.random(count) < 0.15, random.integers(-(10**6), 10**6 + 1, count), np.nan),
        revenue_minor=revenue_minor,
        currency=np.where(np.isnan(revenue_minor), _ABSENT, random.choice(len(CURRENCIES), count, p=[0.6, 0.3, 0.1])),
        campaign=_given(random, 0.5, random.integers(0, 100, count)),
        event_id=_hexadecimal(random, count),
        **_answers(random, action == ACTIONS.index("survey")),
    )


def _zipf(random: np.random.Generator, count: int, ranks: int, exponent: float) -> Integers:
    """Ranks 0, 1, 2, … with probability proportional to (rank + 1)^−exponent."""
    weights = np.cumsum(np.arange(1, ranks + 1, dtype=np.float64) ** -exponent)
    ranked: Integers = np.searchsorted(weights, random.random(count) * weights[-1]).astype(np.int64)
    return ranked


def _given(random: np.random.Generator, share: float, values: Integers) -> Integers:
    return np.where(random.random(len(values)) < share, values, _ABSENT)


def _actions(random: np.random.Generator, place: Integers) -> tuple[Integers, npt.NDArray[np.float64]]:
    """What happened at each place, and what it brought."""
    count = len(place)
    stage = np.asarray([stage for stage, _, _ in PLACES])[place]
    surveyed = np.asarray([channel == "survey" for _, channel, _ in PLACES])[place]
    action: Integers = random.integers(0, 3, count)
    chance = random.random(count)
    action[(stage == "purchase") & (chance < 0.4)] = ACTIONS.index("purchase")
    action[(stage == "support") & (chance < 0.1)] = ACTIONS.index("return")
    action[surveyed] = ACTIONS.index("survey")
    amount = np.ceil(random.lognormal(8, 1, count))
    sign = np.select([action == ACTIONS.index("purchase"), action == ACTIONS.index("return")], [1.0, -1.0], np.nan)
    return action, amount * sign


def _answers(random: np.random.Generator, surveyed: npt.NDArray[np.bool_]) -> dict[str, Integers]:
    """A survey brings an answer to each instrument, more often than not."""
    scales = {"nps": range(11), "csat": range(1, 6), "ces": range(1, 8)}
    return {
        name: np.where(surveyed, _given(random, 0.7, random.integers(scale[0], scale[-1] + 1, len(surveyed))), _ABSENT)
        for name, scale in scales.items()
    }


def _hexadecimal(random: np.random.Generator, count: int) -> pa.StringArray:
    """Ids of 128 random bits."""
    offsets = np.arange(count + 1, dtype=np.int32) * 32
    digits = random.bytes(16 * count).hex().encode()
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(digits))


def _named(names: list[str] | tuple[str, ...], codes: Integers) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(codes, mask=codes == _ABSENT))


def _optional(values: Integers) -> pa.Array:
    return pa.array(values, mask=values == _ABSENT)


def _attributes(campaign: Integers) -> pa.MapArray:
    """One entry where there is a campaign."""
    given = campaign != _ABSENT
    offsets = np.concatenate([[0], np.cumsum(given)]).astype(np.int32)
    keys = pa.repeat("campaign", int(given.sum()))
    return pa.MapArray.from_arrays(pa.array(offsets), keys, pa.array(campaign[given]).cast(pa.string()))


_AVRO: Final = json.dumps(without_logical_types(SCHEMA_TEXT))
_ARROW: Final = pyruhvro.deserialize_array([], _AVRO).schema
