"""Expositions of metrics, read strictly: by the OpenMetrics parser, which takes nothing that the format does not."""

from typing import Any, cast

import httpx
from prometheus_client import Metric
from prometheus_client.openmetrics import exposition as encoder
from prometheus_client.openmetrics import parser
from prometheus_client.registry import Collector

ACCEPT = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def exposition(registry: Collector) -> str:
    """As Prometheus gets it."""
    encode: Any = encoder.generate_latest
    return cast(bytes, encode(registry)).decode()


def scraped(url: str) -> str:
    """The exposition at a URL, in the format that Prometheus asks for."""
    answer = httpx.get(url, headers={"Accept": ACCEPT}, timeout=30, trust_env=False)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text"), answer.headers
    return answer.text


def strictly_parsed(text: str) -> list[Metric]:
    """The families. Raises ValueError for anything that is not exactly as the format asks."""
    parse: Any = parser.text_string_to_metric_families
    return list(parse(text))
