"""How events get into Kafka: the SDK's producer, and files.

>>> from touchstream.streams.channels import Producer
>>> with Producer("kafka://127.0.0.1:9092") as producer:  # doctest: +SKIP
...     producer.publish(customer_id="42", channel="web", touchpoint="checkout", action="purchase",
...                      revenue_minor=1999, currency="EUR")
"""

from touchstream.streams.channels.in_flight import BufferFull, DeliveryFailed
from touchstream.streams.channels.producer import Delivery, Producer, Refused

__all__ = ["BufferFull", "Delivery", "DeliveryFailed", "Producer", "Refused"]
