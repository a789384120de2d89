"""What rules by evidence are judged by: buckets of panes, buckets as they were judged, and series once a day."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.alert_state import Group
from touchstream.schemas.alerts import DIMENSIONS, Rule
from touchstream.schemas.bins import Bins
from touchstream.schemas.instruments import Instruments
from touchstream.schemas.times import instant
from touchstream.sinks.clickhouse.sql import query_text

Counts = Mapping[Group, Sequence[int]]
"""By group what was counted in each bin; a group that is missing has counted nothing."""

FAR_MS: Final = 1 << 42
_PART_BYTES: Final = 4_000_000


@dataclass(frozen=True)
class RuleRun:
    """One run of judging a rule: what the rule judges, and the start of the first bucket that it rests on."""

    rule: str
    digest: str
    run_ms: int


@dataclass(frozen=True)
class RecordedBucket:
    """A bucket as it was judged. start_ms: since 1970; h: the evidence at which a series fires.

    effects: the design effect of a group's answers, where one is known. gates: how silent feeds mute groups
    (`streams.watch.rule_series.Gate`), where they do.
    """

    start_ms: int
    h: float
    counts: Counts
    effects: Mapping[Group, float] = field(default_factory=dict)
    gates: Mapping[Group, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """The state of a rule's series after the bucket that starts at `start_ms`."""

    run: RuleRun
    start_ms: int
    groups: Sequence[Group]
    content: bytes


class BucketTables:
    """The buckets of the rules of a topic's namespace. Blocking; milliseconds since 1970. Raises ClickHouseError."""

    def __init__(self, client: Client, topic: str, namespace: str = "") -> None:
        self._client, self._topic, self._namespace = client, topic, namespace

    def counted(self, rule: Rule, bins: Bins, from_ms: int, to_ms: int) -> dict[int, Counts]:
        """By its start what panes have of each bucket in [from_ms, to_ms), in the groups that a rule looks at."""
        parameters = groups_looked_at(rule) | {"resolution_s": 300, "from_ms": from_ms, "to_ms": to_ms}
        rows = self._client.query(
            query_text("bucket_counts", instruments_under(bins), columns=bins.columns), parameters
        ).result_rows
        found: dict[int, dict[Group, Sequence[int]]] = {}
        for start_ms, key, counts in rows:
            found.setdefault(int(start_ms), {})[_group(key)] = counts
        return dict(found)

    def heard(self, rule: Rule, bins: Bins, from_ms: int, to_ms: int) -> dict[int, dict[Group, int]]:
        """By the start of a bucket and group, until when there was anything in it, to ten seconds."""
        parameters = groups_looked_at(rule) | {"resolution_s": 10, "from_ms": from_ms, "to_ms": to_ms}
        rows = self._client.query(
            query_text("bucket_heard", instruments_under(bins), columns=bins.columns), parameters
        ).result_rows
        found: dict[int, dict[Group, int]] = {}
        for start_ms, key, heard_ms in rows:
            found.setdefault(int(start_ms), {})[_group(key)] = int(heard_ms)
        return found

    def sums(
        self, rule: Rule, bins: Bins, from_ms: int, to_ms: int, most: int
    ) -> tuple[dict[Group, Sequence[int]], int]:
        """What was counted in the hours of [from_ms, to_ms) by group and bin, the largest first, and of how many."""
        parameters = groups_looked_at(rule) | {"resolution_s": 3600, "from_ms": from_ms, "to_ms": to_ms, "most": most}
        rows = self._client.query(
            query_text("bucket_sums", instruments_under(bins), columns=bins.columns), parameters
        ).result_rows
        return {_group(key): counts for key, counts, _ in rows}, int(rows[0][2]) if rows else 0

    def effects(self, metric: str, window: str) -> dict[Group, float]:
        """The design effects of a metric's answers by group, where they are not 1, as measured for a window."""
        parameters = {"topic": self._topic, "metric": metric, "window": window}
        rows = self._client.query(query_text("bucket_effects"), parameters).result_rows
        return {_group(key): float(effect) for key, effect in rows}

    def first_ms(self, from_ms: int) -> int | None:
        """The start of the first bucket since from_ms in which there was anything; None where there was nothing."""
        found = self._client.query(query_text("first_bucket"), {"from_ms": from_ms}).result_rows[0][0]
        return None if found is None else int(found)

    def recorded(self, run: RuleRun, from_ms: int, to_ms: int) -> list[RecordedBucket]:
        """The buckets in [from_ms, to_ms) that a run has counted, in order."""
        parameters = self._key(run.rule, run.digest) | {
            "run_ms": run.run_ms,
            "from_ms": from_ms,
            "to_ms": to_ms,
        }
        counts: dict[int, dict[Group, Sequence[int]]] = {}
        effects: dict[int, dict[Group, float]] = {}
        gates: dict[int, dict[Group, int]] = {}
        thresholds: dict[int, float] = {}
        for start_ms, key, h, bins, effect, gate in self._client.query(
            query_text("buckets_recorded"), parameters
        ).result_rows:
            if key:
                if bins:
                    counts.setdefault(int(start_ms), {})[_group(key)] = bins
                if gate:
                    gates.setdefault(int(start_ms), {})[_group(key)] = int(gate)
                if effect:
                    effects.setdefault(int(start_ms), {})[_group(key)] = effect
            else:
                thresholds[int(start_ms)] = h
        return [
            RecordedBucket(start, h, counts.get(start, {}), effects.get(start, {}), gates.get(start, {}))
            for start, h in sorted(thresholds.items())
        ]

    def record(self, run: RuleRun, buckets: Iterable[RecordedBucket]) -> None:
        """Write what is judged next. Written again, for the same run, the last one counts."""
        columns = [
            "topic",
            "namespace",
            "rule",
            "digest",
            "run",
            "bucket",
            "group_key",
            "h",
            "counts",
            "effect",
            "gate",
        ]
        rows = []
        for bucket in buckets:
            place = [self._topic, self._namespace, run.rule, run.digest, instant(run.run_ms), instant(bucket.start_ms)]
            # Last, that a bucket is whole: an INSERT that spans blocks may be cut.
            rows += [
                [
                    *place, list(group.key), bucket.h, list(bucket.counts.get(group, ())),
                    bucket.effects.get(group, 0.0), bucket.gates.get(group, 0),
                ]
                for group in {**bucket.counts, **bucket.gates}
            ]  # fmt: skip
            rows.append([*place, [], bucket.h, [], 0.0, 0])
        if rows:
            self._client.insert("alert_buckets", rows, columns)

    def snapshot(self, rule: str, digest: str, before_ms: int = FAR_MS) -> Snapshot | None:
        """The newest state of a rule's series, after a bucket that starts before then; None where there is none."""
        parameters = self._key(rule, digest) | {"before_ms": before_ms}
        rows = self._client.query(query_text("newest_snapshot"), parameters).result_rows
        if not rows:
            return None
        run_ms, start_ms, _, keys = rows[0]
        content = base64.b64decode("".join(row[2] for row in rows))
        return Snapshot(RuleRun(rule, digest, int(run_ms)), int(start_ms), [_group(key) for key in keys], content)

    def record_snapshot(self, snapshot: Snapshot) -> None:
        """Write the state of a rule's series, in parts."""
        text = base64.b64encode(snapshot.content).decode()
        pieces = [text[at : at + _PART_BYTES] for at in range(0, max(1, len(text)), _PART_BYTES)]
        run, keys = snapshot.run, [list(group.key) for group in snapshot.groups]
        place = [self._topic, self._namespace, run.rule, run.digest, instant(run.run_ms), instant(snapshot.start_ms)]
        columns = ["topic", "namespace", "rule", "digest", "run", "bucket", "part", "parts", "content", "group_keys"]
        for part, piece in enumerate(pieces):
            row = [*place, part, len(pieces), piece, [] if part else keys]
            self._client.insert("alert_snapshots", [row], columns)

    def _key(self, rule: str, digest: str) -> dict[str, Any]:
        return {"topic": self._topic, "namespace": self._namespace, "rule": rule, "digest": digest}


def groups_looked_at(rule: Rule) -> dict[str, Any]:
    """The groups that a rule looks at, as the parameters of alert_groups.sql and panes_looked_at.sql."""
    return {
        "each": [rule.is_each(dimension) for dimension in DIMENSIONS],
        "places": [[name] if (name := rule.where.name(one)) is not None else [] for one in DIMENSIONS],
    }


def instruments_under(bins: Bins) -> Instruments | None:
    """The instruments that a query of bins has to know of; None for those in force."""
    return None if bins.instrument is None else Instruments.of(bins.instrument)


def _group(key: Iterable[tuple[str, str]]) -> Group:
    names = dict(key)
    return Group(*(names.get(dimension) for dimension in DIMENSIONS))
