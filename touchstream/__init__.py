"""Touchstream measures customer experience while it happens.

What a channel needs stands here, and is loaded when it is first named: a process that publishes loads no dataframes, no
stream processor and no ClickHouse client. The rest is in `touchstream.schemas`, `touchstream.sinks`,
`touchstream.streams` and `touchstream.deploy`.

>>> from touchstream import Producer
>>> with Producer("kafka://127.0.0.1:9092") as producer:  # doctest: +SKIP
...     producer.publish(customer_id="42", channel="web", touchpoint="checkout", action="purchase",
...                      revenue_minor=1999, currency="EUR")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from touchstream.schemas.touchpoint import Touchpoint
    from touchstream.streams.channels.in_flight import BufferFull, DeliveryFailed
    from touchstream.streams.channels.producer import Delivery, Producer, Refused

__version__ = "0.2.0"
__all__ = ["BufferFull", "Delivery", "DeliveryFailed", "Producer", "Refused", "Touchpoint", "__version__"]

_MODULES: Final = {
    "BufferFull": "touchstream.streams.channels.in_flight",
    "Delivery": "touchstream.streams.channels.producer",
    "DeliveryFailed": "touchstream.streams.channels.in_flight",
    "Producer": "touchstream.streams.channels.producer",
    "Refused": "touchstream.streams.channels.producer",
    "Touchpoint": "touchstream.schemas.touchpoint",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
