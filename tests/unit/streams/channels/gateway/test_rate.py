"""The token bucket: any size of request passes, and none exceeds the rate for long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from touchstream.streams.channels.gateway.rate import Rate


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_second_of_events_is_let_in_at_once_and_then_the_rate_holds() -> None:
    clock = Clock()
    rate = Rate(100, clock)
    rate.take("a", 100)
    assert rate.wait_seconds("a") == 0
    rate.take("a", 50)
    assert rate.wait_seconds("a") == 0.5
    clock.now += 0.5
    assert rate.wait_seconds("a") == 0


def test_a_request_larger_than_a_second_passes_and_is_paid_for_afterwards() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    rate.take("a", 1000)
    assert rate.wait_seconds("a") == 99
    clock.now += 99
    assert rate.wait_seconds("a") == 0


def test_owners_do_not_pay_for_each_other_and_silence_saves_up_one_second_only() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    rate.take("a", 1000)
    assert rate.wait_seconds("b") == 0
    clock.now += 1e6
    rate.take("a", 30)
    assert rate.wait_seconds("a") == 2


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50)), max_size=60))
def test_whoever_comes_when_told_sends_at_the_rate(requests: list[tuple[float, int]]) -> None:
    clock = Clock()
    rate = Rate(10, clock)
    sent = 0
    for pause, events in requests:
        clock.now += pause
        clock.now += rate.wait_seconds("a")
        assert rate.wait_seconds("a") < 1e-9
        assert sent <= 10 * (clock.now - Clock.now) + 10 + 1e-6
        rate.take("a", events)
        sent += events
