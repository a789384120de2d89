"""The form on an alert's page: people acknowledge it, or silence it for a time, and say who they are and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from touchstream.schemas.alert_actions import ACK, SILENCE, UNSILENCE, Action, AlertTarget
from touchstream.schemas.alert_state import AlertRow
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.page.alerts.reader import AlertRead, alert_asked
from touchstream.sinks.page.alerts.view import AlertAsked
from touchstream.sinks.page.drawing import Drawing
from touchstream.sinks.page.feed import Feed
from touchstream.sinks.page.forms import BODY_BYTES_MAX, FormRefusedError, fields_of, sent_by_this_site, words_of
from touchstream.sinks.page.live_page import frame_of
from touchstream.sinks.page.sign_in import visitor_of
from touchstream.sinks.page.surroundings import Surroundings

log = structlog.get_logger(__name__)

SILENCE_HOURS: Final = (1, 4, 24, 168)
"""For how long the form silences."""
_HOUR_MS: Final = 3_600_000
_OFF: Final = "this page takes no actions of yours: TOUCHSTREAM_PAGE_ACTIONS and TOUCHSTREAM_PAGE_OPERATORS say whose\n"
_FOREIGN: Final = "this form was not sent by this page; open the alert's page, and send it from there\n"


@dataclass(frozen=True)
class Filled:
    """What the form held when it could not be taken, and why not."""

    trouble: str = ""
    by: str = ""
    reason: str = ""
    hours: int = SILENCE_HOURS[0]


class ActionForm:
    """Takes the form from operators; feed: of alerts' pages, which show it again where it can't be taken."""

    def __init__(self, surroundings: Surroundings, feed: Feed[AlertAsked, AlertRead], drawing: Drawing) -> None:
        self._surroundings, self._feed, self._drawing = surroundings, feed, drawing

    def routes(self) -> list[Route]:
        """What an alert's page sends its form to: its own address."""
        return [Route("/alerts/{rule:path}", self._act, methods=["POST"])]

    async def _act(self, request: Request) -> Response:
        visitor = visitor_of(request)
        if not visitor.operator:
            return PlainTextResponse(_OFF, 403)
        if not sent_by_this_site(request.headers):
            return PlainTextResponse(_FOREIGN, 403)
        asked = alert_asked(request)
        fields = await fields_of(request)
        if fields is None:
            return PlainTextResponse(f"send a form of at most {BODY_BYTES_MAX} bytes\n", 400)
        if visitor.name:
            fields["by"] = visitor.name
        try:
            await run_in_threadpool(self._record, asked, fields)
        except FormRefusedError as error:
            return await self._again(request, asked, fields, str(error), 400)
        except ClickHouseError as error:
            log.warning("an action on an alert can't be recorded", error=first_line(error))
            return await self._again(request, asked, fields, "ClickHouse does not answer; nothing was done", 503)
        return RedirectResponse(f"?{request.url.query}", 303)

    def _record(self, asked: AlertAsked, fields: Mapping[str, str]) -> None:
        """Raises FormRefusedError and ClickHouseError."""
        by, reason = words_of(fields, "by", "your name"), words_of(fields, "reason", "the reason")
        client, topic, now = self._surroundings.client(), self._surroundings.topic, now_ms()
        table = ActionTable(client, topic)
        do = fields.get("do", "")
        alert = _alert(client, topic, asked)
        target = AlertTarget((alert.namespace,), alert.rule, alert.group.key)
        if do == ACK:
            if alert.state != "firing":
                raise FormRefusedError("it doesn't fire any more: there is nothing to acknowledge")
            if table.actions(now).acknowledgement(alert) is None:
                table.record(Action(ACK, alert.id(topic), target, now, by, reason, alert.since_ms))
        elif do == SILENCE:
            until_ms = now + _hours(fields) * _HOUR_MS
            table.record(Action(SILENCE, target.id(topic), target, now, by, reason, until_ms=until_ms))
        elif do == UNSILENCE:
            if target.id(topic) not in {one.id for one in table.actions(now).silences(now)}:
                raise FormRefusedError(
                    "no silence of this alert alone holds; touchstream alerts silences lists those of more alerts"
                )
            table.record(Action(UNSILENCE, target.id(topic), target, now, by, reason))
        else:
            raise FormRefusedError(f"choose one of {ACK}, {SILENCE}, {UNSILENCE}")

    async def _again(
        self, request: Request, asked: AlertAsked, fields: Mapping[str, str], trouble: str, status: int
    ) -> Response:
        """The alert's page with the form as it was filled in."""
        view = await self._feed.view(asked)
        chosen = fields.get("hours", "")
        hours = int(chosen) if chosen in map(str, SILENCE_HOURS) else SILENCE_HOURS[0]
        filled = Filled(trouble, fields.get("by", ""), fields.get("reason", ""), hours)
        frame = frame_of(request)
        return HTMLResponse(
            self._drawing.document("alert.html", frame, asked, view.board, view.health, {"filled": filled}), status
        )


def _alert(client: Client, topic: str, asked: AlertAsked) -> AlertRow:
    found = AlertTables(client, topic, asked.namespace).alerts(rules=[asked.rule])
    for alert in found:
        if alert.group == asked.group:
            return alert
    raise FormRefusedError("there is no such alert any more")


def _hours(fields: Mapping[str, str]) -> int:
    chosen = fields.get("hours", "")
    if chosen not in map(str, SILENCE_HOURS):
        raise FormRefusedError(f"silence for one of {', '.join(map(str, SILENCE_HOURS))} hours")
    return int(chosen)
