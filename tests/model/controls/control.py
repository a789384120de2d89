"""What a control is."""

from collections.abc import Callable

from pytest import MonkeyPatch

Control = Callable[[MonkeyPatch], None]
"""Leaves one thing out, or does it otherwise, for as long as the patch lasts."""
