"""The command `init`."""

from touchstream.streams.cli.output import errors_in_one_line, load_settings, people
from touchstream.streams.upkeep.init import prepare


def init() -> None:
    """Create topics and tables and put the definitions in force; again and again without harm.

    Example: TOUCHSTREAM_KAFKA_URL=kafka://kafka:9092 touchstream init
    """
    settings = load_settings()
    with errors_in_one_line():
        for line in prepare(settings):
            people.print(line, markup=False)
