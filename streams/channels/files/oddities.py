"""Warnings that are no errors: ids that repeat, actions that are nearly those that count."""

from __future__ import annotations

import difflib
import sqlite3
from collections import Counter

import polars as pl

from touchstream.schemas.touchpoint import ACTIONS

WORDS_MAX = 1_000  # distinct actions that are looked at; made-up names must not fill memory
_ENTRIES = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))


class RepeatedIds:
    """Counts events whose id stood before in this run, in the same channel and of the same customer.

    `same`: with the same content, which count once. `conflicting`: with another; the first one counts, and the
    channel's ids are not unique. Ids and contents are held as 64 bits each, in a temporary database that goes to disk.
    """

    def __init__(self) -> None:
        self.same = self.conflicting = 0
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, content INTEGER)")
        self._database.execute("BEGIN")

    def add(self, events: pl.DataFrame) -> None:
        """Canonical events (`schemas.columns.COLUMNS`), in their order; some thousands at most."""
        spaces = [name for name in ("source",) if name in events.columns]
        of_whom = [pl.coalesce(*spaces, "channel"), pl.coalesce("customer_id", "anonymous_id"), pl.col("event_id")]
        hashed = events.select(
            pl.struct(of_whom).hash(1).reinterpret(signed=True).alias("id"),
            pl.struct(
                pl.exclude("position", "received_at", "attributes"), pl.col("attributes").cast(_ENTRIES).list.sort()
            )
            .hash(2)
            .reinterpret(signed=True)
            .alias("content"),
        )
        ids = hashed["id"].to_list()
        marks = ",".join("?" * len(ids))
        known = dict(self._database.execute(f"SELECT id, content FROM event WHERE id IN ({marks})", ids))  # noqa: S608
        new: list[tuple[int, int]] = []
        for number, content in hashed.rows():
            first = known.get(number)
            if first is None:
                known[number] = content
                new.append((number, content))
            else:
                self.same += first == content
                self.conflicting += first != content
        self._database.executemany("INSERT INTO event VALUES (?, ?)", new)


class NearActions:
    """Counts events whose action is nearly one that means something here, such as `purchased`."""

    def __init__(self) -> None:
        self._meant: dict[str, str | None] = {}
        self._counts: Counter[str] = Counter()

    def add(self, events: pl.DataFrame) -> None:
        """Canonical events."""
        for action, count in events["action"].value_counts().rows():
            if action not in self._meant and len(self._meant) < WORDS_MAX:
                near = [] if action in ACTIONS else difflib.get_close_matches(action[:100], ACTIONS, n=1, cutoff=0.75)
                self._meant[action] = near[0] if near else None
            if self._meant.get(action):
                self._counts[action] += count

    @property
    def notes(self) -> list[str]:
        """One line an action."""
        return [
            f"{count:,} events have the action {action!r}, which is another one than {self._meant[action]!r};"
            f" if that was meant, mend it (values: action: in a mapping)"
            for action, count in self._counts.most_common()
        ]
