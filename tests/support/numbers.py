"""How many of what is many by nature: a fixed part in `make test`, all of them in `make nightly`."""

import os
from typing import Final

VARIABLE: Final = "TEST_NUMBERS"
_CHOICES: Final = ("", "large")
_chosen = os.environ.get(VARIABLE, "")
assert _chosen in _CHOICES, f"{VARIABLE}={_chosen}: it may be large"

LARGE: Final = _chosen == "large"


def how_many(usual: int, large: int) -> int:
    """The first of them, and the second with TEST_NUMBERS=large."""
    return large if LARGE else usual
