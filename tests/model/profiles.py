"""How many scenarios `make test` tries; `tests.model.nightly` tries many more."""

from typing import Final

from hypothesis import HealthCheck, settings

PROFILE: Final = settings(
    max_examples=2_000,
    derandomize=True,  # the same ones every time: a red build is a change's own doing
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
