"""`python -m touchstream.streams.cli`."""

from touchstream.streams.cli.main import main

main()
