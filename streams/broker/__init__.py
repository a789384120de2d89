"""Kafka: topics, logs read by offset, control records, and how far lanes have come."""
