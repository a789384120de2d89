"""`python -m touchstream`: the command line."""

from touchstream.streams.cli.main import main

main()
