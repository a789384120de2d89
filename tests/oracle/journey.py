"""Which stage of which journey an event belongs to. The rules are those at the head of `schemas/journey.yaml`."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

UNDECLARED = "undeclared"
NAMES = ("channel", "touchpoint", "action")


class Place(NamedTuple):
    """Where an event counts. `declared`: an entry of that stage matches it."""

    journey: str
    stage: str
    declared: bool


def resolve(file: Mapping[str, Any], event: Mapping[str, Any]) -> Place:
    """Where an event counts by a journey file, given as a JSON object.

    Its own journey and stage, where it names them; else the first journey, and the stage whose entry matches first.
    """
    name = event["journey"] or file["journeys"][0]["id"]
    stages = [stage for journey in file["journeys"] if journey["id"] == name for stage in journey["stages"]]
    for stage in stages:
        asked_for = event["stage"] in (None, stage["id"])
        if asked_for and any(matches(entry, event) for entry in stage.get("touchpoints", ())):
            return Place(name, stage["id"], True)
    return Place(name, event["stage"] or UNDECLARED, False)


def matches(entry: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether each name that the entry gives has an alternative that the event's is."""
    asked = {name: event["attributes"].get(name) for name in entry.get("attributes", {})}
    return all(
        any(is_like(event[name], pattern) for pattern in alternatives(entry[name])) for name in NAMES if name in entry
    ) and all(
        value is not None and any(is_like(value, pattern) for pattern in alternatives(entry["attributes"][name]))
        for name, value in asked.items()
    )


def alternatives(names: str | list[str]) -> list[str]:
    """One name, or several."""
    return [names] if isinstance(names, str) else list(names)


def is_like(value: str, pattern: str) -> bool:
    """Whether a value is the pattern, in which `*` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None
