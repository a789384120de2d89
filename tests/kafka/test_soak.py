"""The negative controls of the soak: memory that grows must show, and so must memory of which nothing is known."""

from tests.kafka.soak import Sample, by_quarter, grew

MB = 1_000_000


def samples(*megabytes: int) -> list[Sample]:
    """One of each quarter of forty seconds."""
    return [Sample(10.0 * quarter + 5, "worker", size * MB) for quarter, size in enumerate(megabytes)]


def test_each_quarter_has_its_median_and_the_last_one_what_came_after_the_end() -> None:
    found = [*samples(100, 200, 300, 400), Sample(6.0, "worker", 900 * MB), Sample(7.0, "worker", 110 * MB)]
    assert by_quarter([*found, Sample(41.0, "worker", 500 * MB)], 40) == {"worker": [110.0, 200.0, 300.0, 450.0]}


def test_memory_may_be_a_tenth_above_the_second_quarter_and_no_more() -> None:
    assert grew(by_quarter(samples(900, 100, 200, 110), 40)) == []
    assert grew(by_quarter(samples(100, 100, 100, 111), 40)) == ["worker"]


def test_a_quarter_without_a_sample_proves_nothing() -> None:
    assert grew(by_quarter(samples(100, 100, 100), 40)) == ["worker"]
