"""The command line `touchstream`. Exit codes: 0 done, 1 failed, 2 wrong use. An error is one line with its remedy."""

from touchstream.streams.cli.main import main

__all__ = ["main"]
