"""All that is known of one person, as programs get it. The JSON form is docs/customers.md; times are ISO 8601, UTC."""

from datetime import date, datetime

import msgspec


class IdentityClaim(msgspec.Struct, frozen=True, kw_only=True):
    """An anonymous id that several customers were identified by; it counts for `customer_id`, the first of them.

    `claimed_by` has at most 20 of the `claims`.
    """

    anonymous_id: str
    customer_id: str
    claims: int
    claimed_by: list[str]


class JourneyStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A person in a journey. `stage`: where they are, since when, and for how long as of `as_of`; null: in no stage.

    `outcome` is that of the visit: open, progressed, dropped, recovered. `active`: not lost, as churn has it;
    `lost_at`: since when they are.
    """

    journey: str
    first_at: datetime
    last_at: datetime
    touches: int
    active: bool
    lost_at: datetime | None
    stage: str | None
    stage_since: datetime | None
    stage_ms: int | None
    outcome: str | None


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A stay in a stage. `left_at`, `next_stage`, `dwell_ms`: null where nothing came after in the journey.

    `after_end`: after the end of that pass and before the next one began.
    """

    journey: str
    stage: str
    pass_number: int
    after_end: bool
    channel: str
    touchpoint: str
    entered_at: datetime
    last_touch_at: datetime
    touches: int
    left_at: datetime | None
    next_stage: str | None
    progressed_at: datetime | None
    dwell_ms: int | None
    outcome: str


class ChannelTouches(msgspec.Struct, frozen=True, kw_only=True):
    """Touches by channel."""

    channel: str
    touches: int
    first_at: datetime
    last_at: datetime


class SurveyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a survey. `metric`: nps (0 to 10), csat (1 to 5), ces (1 to 7)."""

    at: datetime
    metric: str
    score: int
    journey: str
    stage: str
    channel: str
    touchpoint: str


class Sentiment(msgspec.Struct, frozen=True, kw_only=True):
    """From -1 to 1: the mean of n touches, and the newest."""

    mean: float
    n: int
    newest: float
    newest_at: datetime


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What the fitted models say of the `weeks` after `last_day`: not discounted, money in minor units.

    n: customers that the models (`version`) were fitted to.
    """

    p_alive: float
    expected_purchases: float
    expected_order_minor: float
    predicted_clv_minor: float
    weeks: float
    last_day: date
    version: str
    n: int


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """What the person has brought in a currency, net, in minor units; n of the average is `purchases`.

    `prediction`: null where no models are fitted, or nothing was bought.
    """

    currency: str
    clv_minor: int
    purchases: int
    average_order_minor: float | None
    prediction: Prediction | None


class Touch(msgspec.Struct, frozen=True, kw_only=True):
    """A touch; null: not given."""

    at: datetime
    journey: str
    stage: str
    channel: str
    touchpoint: str
    action: str
    outcome: str | None
    revenue_minor: int | None
    currency: str | None


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are beyond those in the lists."""

    anonymous_ids: int
    journeys: int
    visits: int
    channels: int
    scores: int
    value: int
    recent: int


class CustomerView(msgspec.Struct, frozen=True, kw_only=True):
    """One person. Lists are bounded; `left_out` counts the rest, totals count everything.

    `customer_id` null: the anonymous id has not been identified as a customer. `namesake`: the requested id is a
    customer's, and also an anonymous id, perhaps of another person. `disputed`: anonymous ids that several customers
    claim. `as_of`: the watermark, up to when outcomes, silence and the open stage are known; null before anything was
    measured.
    """

    customer_id: str | None
    anonymous_ids: list[str]
    namesake: bool
    disputed: list[IdentityClaim]
    as_of: datetime | None
    segment: str | None
    first_at: datetime | None
    last_at: datetime | None
    touches: int
    purchases: int
    sentiment: Sentiment | None
    journeys: list[JourneyStanding]
    visits: list[Visit]
    channels: list[ChannelTouches]
    scores: list[SurveyAnswer]
    value: list[Value]
    recent: list[Touch]
    left_out: LeftOut

    @property
    def name(self) -> str:
        """The customer_id, else the anonymous id."""
        return self.anonymous_ids[0] if self.customer_id is None else self.customer_id
