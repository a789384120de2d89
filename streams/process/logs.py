"""Logs: one event a line on standard error, for people or as JSON; Faust joins in from warnings on."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Final, Literal

import structlog
from structlog.dev import plain_traceback

REPEAT_SECONDS: Final = 10.0

_LEVELS = {
    **dict.fromkeys(("faust", "mode", "urllib3", "asyncio"), logging.WARNING),
    # They warn of what is normal (a rebalance, a busy machine) and log what they raise.
    **dict.fromkeys(("aiokafka", "kafka", "clickhouse_connect"), logging.ERROR),
}


class Repeats(logging.Filter):
    """Lets a library say the same thing once in REPEAT_SECONDS; of what it said meanwhile, only how often.

    While Kafka is away, aiokafka says so three times in every tenth of a second.
    """

    _MESSAGES_MAX: Final = 1000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        if record.name.partition(".")[0] not in _LEVELS:
            return True
        key, now = (record.name, record.getMessage()), self._clock()
        said_at, held_back = self._said.get(key, (-REPEAT_SECONDS, 0))
        if now - said_at < REPEAT_SECONDS:
            self._said[key] = said_at, held_back + 1
            return False
        if held_back:
            record.msg, record.args = f"{key[1]} (and {held_back} times since it was last written)", ()
        if len(self._said) >= self._MESSAGES_MAX:
            self._said.clear()
        self._said[key] = now, 0
        return True


def configure_logs(style: Literal["console", "json"]) -> None:
    """Set up logging for this process; call it once, before anything logs."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if style == "json" else structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        # By default, where rich is installed, tracebacks come with all locals: ids, events, passwords.
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(Repeats())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
