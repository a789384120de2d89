"""What goes wrong with topics, apart from what talks to Kafka: who only reports it loads no Kafka client."""


class TopicError(RuntimeError):
    """Kafka can't be reached, or refuses what is asked of a topic; the message is one line that says what to do."""
