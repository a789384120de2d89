"""One leader loop for all duties (`streams.worker.leader`)."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from clickhouse_connect.driver.exceptions import OperationalError
from prometheus_client import CollectorRegistry, Counter

from touchstream.streams.worker.leader import Duty, lead_forever


class Over(Exception):  # noqa: N818
    """Ends a loop that has no end."""


def done(leads: Sequence[bool], step: Callable[[], None], failures: Counter | None = None) -> list[str]:
    """What a worker does in so many looks."""
    did: list[str] = []
    remaining = list(leads)

    def looks() -> bool:
        if not remaining:
            raise Over
        return remaining.pop(0)

    def stepping() -> None:
        did.append("step")
        step()

    duty = Duty("duty", stepping, lambda _: 0.0, "not done", lambda: did.append("rest"), failures)
    with pytest.raises(Over):
        asyncio.run(lead_forever(duty, looks))
    return did


def test_a_worker_that_leads_steps_and_one_that_does_not_rests() -> None:
    assert done([True, True, False, True], lambda: None) == ["step", "step", "rest", "step"]


def test_a_clickhouse_that_is_away_is_counted_and_asked_again() -> None:
    failures = Counter("duty_failures", "", registry=CollectorRegistry())

    def fails() -> None:
        raise OperationalError("away")

    assert done([True, True], fails, failures) == ["step", "step"]
    assert failures._value.get() == 2


def test_any_other_error_ends_the_loop_and_with_it_the_worker() -> None:
    def breaks() -> None:
        raise ZeroDivisionError

    duty = Duty("duty", breaks, lambda _: 0.0, "not done")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(lead_forever(duty, lambda: True))
