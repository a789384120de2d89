"""What `alerts.yaml` says of all its rules together: how often they may be wrong, and of silent feeds."""

from typing import Annotated, Final

from pydantic import Field

from touchstream.schemas.alert_notifying import SeverityName
from touchstream.schemas.definitions import Definition
from touchstream.schemas.metrics import Words

FEED_RULE: Final = "feed_silent"
"""The names of rules that find silent feeds begin so: no other's may."""


class Budget(Definition):
    """How often all rules of a file that judge by evidence may be wrong together."""

    false_alarms_per_week: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 0.5


class Silence(Definition):
    """How an operator is told that a feed, a channel of a stage, has stopped."""

    severity: SeverityName = "warning"
    owner: Words | None = None
