"""How many schedules `make test` tries, 460 in all; `make nightly` tries 1,000, and `tests.model.nightly` many more."""

from typing import Final

from hypothesis import HealthCheck, settings

from tests.support.numbers import how_many

SEEDS: Final = range(how_many(340, 700))
"""Of those that are drawn in one go, in as many processes as there are free cores."""

PROFILE: Final = settings(
    max_examples=how_many(120, 300),  # in one process; a wrong one is shrunk to few records and steps
    derandomize=True,  # the same ones every time: a red build is a change's own doing
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
