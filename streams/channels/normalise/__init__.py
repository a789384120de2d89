"""A foreign Kafka topic as a channel: its messages become touchpoint events by a mapping (docs/normalise.md).

topic ──► source (a consumer group) ──► decoding ──► mapping, judged ──► topic touchpoints ──► commit

An event has the same identity however often its record is read: whatever happens between reading and committing, it is
read again, and counts once (docs/decisions/0037).
"""
