"""The rules that find silent feeds: `watch` makes them of the rules of a file, for what those count."""

from typing import Final

from touchstream.schemas.alerts import Rule, Rules
from touchstream.schemas.bins import bins_of
from touchstream.schemas.metrics import Catalogue, Metric, shipped
from touchstream.schemas.silence import FEED_RULE

NAME: Final = FEED_RULE
"""The rule of feeds of events; that of feeds of answers has the metric behind it, such as `feed_silent_nps`."""
EVENTS: Final = "touches"
ANSWERS: Final = ("nps", "csat", "ces", "success_rate")
"""Metrics whose answers are feeds of their own, as those of instruments are: a survey may stop alone."""


class FeedRule(Rule):
    """Fires where a feed is silent: a channel of a stage, for the answers or events that `metric` counts."""

    @property
    def condition(self) -> str:
        """In words."""
        return f"no {'events' if self.metric == EVENTS else f'{self.metric} answers'} where some are expected"


def feed_rules(rules: Rules, catalogue: Catalogue) -> tuple[FeedRule, ...]:
    """What finds the silence of feeds that rules feed on, events first; none where the file says so."""
    if rules.silence is None:
        return ()
    fed_on = {feed_metric(catalogue.metrics[rule.metric]) for rule in rules.rules}
    feeds = dict.fromkeys((EVENTS, *ANSWERS, *sorted(fed_on)))
    return tuple(_rule(rules, metric) for metric in feeds if metric == EVENTS or metric in fed_on)


def feed_metric(metric: Metric) -> str:
    """The metric whose feeds a rule on `metric` feeds on: answers for what is asked, else events."""
    if metric.instrument is not None:
        return metric.instrument.id
    bins = bins_of(metric)
    if bins is not None and not bins.is_count:
        for name in ANSWERS:
            found = bins_of(shipped().metrics[name])
            if found is not None and found.columns == bins.columns:
                return name
    return EVENTS


def _rule(rules: Rules, metric: str) -> FeedRule:
    said = rules.silence
    of = "Events" if metric == EVENTS else f"Answers ({metric})"
    return FeedRule.model_validate(
        {
            "name": NAME if metric == EVENTS else f"{NAME}_{metric}",
            "summary": f"{of} have stopped coming by a channel of a stage.",
            "metric": metric,
            "each": ("stage", "channel"),
            "drop": {"percent": 100},
            "within": "1h",
            "severity": said.severity if said else "warning",
            "owner": said.owner if said else None,
        }
    )
