"""The command `init`."""

from touchstream.streams.cli.output import err, errors_in_one_line, load_settings
from touchstream.streams.upkeep.init import prepare


def init() -> None:
    """Create topics and tables and put the definitions in force; idempotent.

    Example: TOUCHSTREAM_KAFKA_URL=kafka://kafka:9092 touchstream init
    """
    settings = load_settings()
    with errors_in_one_line():
        for line in prepare(settings):
            err.print(line, markup=False)
