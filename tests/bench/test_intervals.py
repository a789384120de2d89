import numpy as np
import pytest

from tests.bench.intervals.coverage import Cell
from tests.bench.intervals.people import drawn, few_often, once, share, sums


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
def test_answers_of_a_person_are_as_alike_as_was_asked_and_as_often_right_as_was_asked(alike: float) -> None:
    answers = drawn(np.random.default_rng(1), 100, 1_000, once, alike)
    said = share(0.2).answer(answers.values).reshape(-1, answers.values.shape[-1])
    assert said.mean() == pytest.approx(0.2, abs=0.005)
    assert np.corrcoef(said[:, 0], said[:, 1])[0, 1] == pytest.approx(alike, abs=0.02)


def test_answers_that_were_not_given_count_nowhere() -> None:
    k, s, _ = sums(drawn(np.random.default_rng(1), 10, 1_000, few_often, 1.0), share(0.5))
    assert set(np.unique(k)) == {1, 10}
    assert (s <= k).all()


@pytest.mark.parametrize(
    ("covered", "given", "column", "held"),
    [
        (0.929, 1, 0.5, False),
        (0.93, 1, 0.5, True),
        (0.971, 1, 0.5, False),
        (0.8, 1, 0.05, True),
        (0.8, 0.3, 0.5, True),
        (0.7, 0.3, 0.5, False),
    ],
)
def test_a_cell_is_held_to_its_bounds_where_ten_people_are_on_each_side(
    covered: float, given: float, column: float, held: bool
) -> None:
    assert Cell("share", "1", 30, 0.0, column, covered, given).held is held
