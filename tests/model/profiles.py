"""How many scenarios, by the environment's HYPOTHESIS_PROFILE."""

import os
from typing import Final

from hypothesis import HealthCheck, settings

_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
# the same ones every time: a red build is a change's own doing
settings.register_profile("model", _COMMON, max_examples=300, derandomize=True)
settings.register_profile("nightly", _COMMON, max_examples=200_000, derandomize=False, print_blob=True)

PROFILE: Final = settings.get_profile({"nightly": "nightly"}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), "model"))
