"""The command line `touchstream`. Exit codes: 0 done, 1 failed, 2 wrong use; an error is one line that says what to do."""

from streams.cli.main import main

__all__ = ["main"]
