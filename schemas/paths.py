"""The path through a journey's stages, by definition: which come later, when a pass ends, when a customer is lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from touchstream.schemas.journey import Journey, Stage


@dataclass(frozen=True)
class StagePath:
    """One stage on the way. Durations in milliseconds, None where none is declared; names are stage ids."""

    journey: str
    stage: str
    position: int
    """From 1 on, in the order of the file."""
    later: tuple[str, ...]
    """The stages that count as progress from here."""
    timeout_ms: int | None
    starts: bool
    """Whether only here and in its like a new pass may begin, once the one before has ended."""
    ends: bool
    new_after_ms: int | None
    lost_after_ms: int | None
    owner: str
    channels: tuple[str, ...]
    """Those that its touchpoints name, without patterns; sorted."""


def stage_paths(journeys: Sequence[Journey]) -> Iterator[StagePath]:
    """Every stage of every journey."""
    for journey in journeys:
        later = later_stages(journey)
        for position, stage in enumerate(journey.stages, 1):
            yield StagePath(
                journey=journey.id,
                stage=stage.id,
                position=position,
                later=later[stage.id],
                timeout_ms=_milliseconds(stage.timeout),
                starts=stage.id in journey.starts,
                ends=stage.id in journey.ends,
                new_after_ms=_milliseconds(journey.new_after),
                lost_after_ms=_milliseconds(journey.lost_after),
                owner=stage.owner or journey.owner or "",
                channels=_named_channels(stage),
            )


def _named_channels(stage: Stage) -> tuple[str, ...]:
    return tuple(sorted({name for entry in stage.touchpoints for name in entry.channel if "*" not in name}))


def later_stages(journey: Journey) -> dict[str, tuple[str, ...]]:
    """For each stage those that come later, in the order of the file.

    Where no stage says what is `next`: all below it. Else those that can be reached over `next`, where a stage that
    says nothing ends the way; a stage is never later than itself, whatever circle leads back to it.
    """
    ids = [stage.id for stage in journey.stages]
    if all(stage.next is None for stage in journey.stages):
        return {stage: tuple(ids[place:]) for place, stage in enumerate(ids, 1)}
    following = {stage.id: stage.next or () for stage in journey.stages}
    return {stage: tuple(one for one in ids if one in _reached(stage, following)) for stage in ids}


def _reached(start: str, following: dict[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = list(following[start])
    while waiting:
        stage = waiting.pop()
        if stage not in found:
            found.add(stage)
            waiting += following[stage]
    return found - {start}


def _milliseconds(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // timedelta(milliseconds=1)
