"""What one contestant did in one round."""

import msgspec


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant over the whole of its topic, once. Its results were checked before this was made.

    cpu_seconds: by process, within the measured time.
    """

    contestant: str
    events: int
    seconds: float
    startup_seconds: float
    """From the start of its process to the first moment in which it could read an event: not in `seconds`."""
    cpu_seconds: dict[str, float]
    rss_peak_bytes: int
    inserts: int
    load_average: float
    touch_bytes: float | None = None
    """On disk, of each row that visits are computed from; lanes hold nothing of a customer in memory."""

    @property
    def events_per_second(self) -> float:
        """The rate over the measured time."""
        return self.events / self.seconds
