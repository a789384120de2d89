"""The command `page`."""

from functools import partial
from typing import Annotated, Final

import typer
from clickhouse_connect.driver.client import Client

from touchstream.schemas.annotations import Annotation
from touchstream.schemas.journey import DEFAULT_FILE as DEFAULT_JOURNEY
from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import catalogue_of
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.notify.notification import Notification
from touchstream.sinks.page.alerts.view import address_of, handled_words
from touchstream.sinks.page.annotations import NotTakenError
from touchstream.sinks.page.board import Alert
from touchstream.sinks.page.server import serve
from touchstream.sinks.page.sign_in import SignIn
from touchstream.streams.cli.output import errors_in_one_line, load_settings
from touchstream.streams.process.logs import configure_logs
from touchstream.streams.process.setting_values import listed
from touchstream.streams.process.settings import Settings

_ALERTS_MAX: Final = 1_000


def page(
    notice: Annotated[
        str | None, typer.Option(help="A line at the top of the page, such as: simulated customers.")
    ] = None,
) -> None:
    """Show the customer journey live in a browser, until Ctrl-C.

    Example: TOUCHSTREAM_PAGE_PORT=8090 touchstream page
    """
    settings = load_settings()
    configure_logs(settings.log_format)
    with errors_in_one_line():
        serve(
            clickhouse_url=settings.clickhouse_url,
            topic=settings.topic,
            journeys=Journeys.load(settings.journey_file or DEFAULT_JOURNEY).journeys,
            catalogue=catalogue_of(settings.metrics_file),
            host=settings.page_host,
            port=settings.page_port,
            notice=notice,
            customers=settings.page_customers,
            actions=settings.page_actions,
            hosts=[name for name in settings.page_hosts.replace(",", " ").split() if name],
            sign_in=_sign_in(settings),
            current_alerts=partial(_firing, settings.topic),
            annotate=partial(written_to_kafka, settings),
        )


def _sign_in(settings: Settings) -> SignIn | None:
    """How visitors are known; a setting that says that no one may is above the lists of who may."""
    if not settings.page_user_header:
        return None
    return SignIn(
        user_header=settings.page_user_header,
        proxies=tuple(listed(settings.page_proxies)),
        groups_header=settings.page_groups_header,
        operators=frozenset() if settings.page_actions is False else frozenset(listed(settings.page_operators)),
        people=frozenset() if settings.page_customers is False else frozenset(listed(settings.page_people)),
    )


def written_to_kafka(settings: Settings, said: Annotation) -> None:
    """Write what was noted on the page to the topic of annotations. Raises NotTakenError."""
    # Here, for the page starts and shows its numbers without Kafka.
    from kafka.errors import KafkaError

    from touchstream.streams.broker.annotations import publish_annotation
    from touchstream.streams.broker.topic_error import TopicError

    try:
        publish_annotation(settings.kafka_connection(), settings.topic, said)
    except (TopicError, KafkaError) as error:
        raise NotTakenError(str(error)) from error


def _firing(topic: str, client: Client) -> tuple[Alert, ...]:
    """The alerts that are firing, those that began last first."""
    now = now_ms()
    actions = ActionTable(client, topic).actions(now)
    return tuple(
        Alert(
            rule=alert.rule,
            stage=alert.group.stage,
            channel=alert.group.channel,
            text=f"{alert.about.summary} {Notification.of(alert, topic).evidence}",
            since_ms=alert.since_ms,
            handled=handled_words(alert, actions, now),
            address=address_of(alert),
        )
        for alert in AlertTables(client, topic, None).alerts(states=["firing"], most=_ALERTS_MAX)
    )
