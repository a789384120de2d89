"""How many schedules `make test` tries, 2,000 in all; `tests.model.nightly` tries many more."""

from typing import Final

from hypothesis import HealthCheck, settings

SEEDS: Final = range(1_500)
"""Of those that are drawn in one go, in as many processes as there are free cores."""

PROFILE: Final = settings(
    max_examples=500,  # in one process; a wrong one is shrunk to few records and steps
    derandomize=True,  # the same ones every time: a red build is a change's own doing
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
