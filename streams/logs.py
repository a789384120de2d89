"""Logs: one event a line on standard error, for people or as JSON; Faust joins in from warnings on."""

import logging
import sys
from typing import Literal

import structlog

_LEVELS = {
    **dict.fromkeys(("faust", "mode", "urllib3", "asyncio"), logging.WARNING),
    # They warn of what is normal (a rebalance, a busy machine) and log what they raise.
    **dict.fromkeys(("aiokafka", "kafka", "clickhouse_connect"), logging.ERROR),
}


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
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
