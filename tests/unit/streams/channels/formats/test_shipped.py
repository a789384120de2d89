"""Mappings that come with this version: samples of invented people, and the events they mean."""

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from touchstream.schemas.codec import WriterSchemas, from_fields
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.touchpoint import Touchpoint
from touchstream.schemas.validity import canonical, check
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.files.compressed import ByteSource
from touchstream.streams.channels.files.reader import read_chunks
from touchstream.streams.channels.formats.message_conversion import Converted, MessageConverter, NoEvent, Outcome
from touchstream.streams.channels.formats.message_mapping import SHIPPED, message_mapping, shipped_mappings
from touchstream.streams.channels.gateway.mapped import MappedIntake
from touchstream.streams.channels.judged import Terms

AT_MS = 1_796_000_000_000  # 2026-11-30T00:53:20Z
AT = "2026-11-30T00:53:20Z"
RECEIVED = {"received_at": AT_MS + 15_000}

SEGMENT = {
    "sentAt": "2026-11-30T00:53:30Z",
    "batch": [
        {"type": "track", "event": "Order Completed", "messageId": "b1", "userId": "ann", "anonymousId": "d1",
         "originalTimestamp": AT, "context": {"library": {"name": "analytics.js"}},
         "properties": {"order_id": "1001", "revenue": 10, "total": "12.50", "currency": "EUR"}},
        {"type": "track", "event": "Order Completed", "messageId": "s9", "userId": "ann", "originalTimestamp": AT,
         "context": {"library": {"name": "analytics-python"}}, "properties": {"order_id": "1001",
         "total": 12.5, "currency": "EUR"}},
        {"type": "page", "messageId": "b2", "anonymousId": "d1", "name": "Home", "originalTimestamp": AT},
        {"type": "track", "event": "Product Viewed", "messageId": "b3", "anonymousId": "d1", "originalTimestamp": AT},
        {"type": "identify", "messageId": "b4", "userId": "ann", "anonymousId": "d1", "originalTimestamp": AT},
        {"type": "identify", "messageId": "b5", "userId": "ann", "originalTimestamp": AT},
        {"type": "group", "messageId": "b6", "groupId": "g", "userId": "ann"},
        {"type": "page", "messageId": "b7", "anonymousId": "d2", "originalTimestamp": AT, "name": "Home",
         "context": {"userAgent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}},
    ],
}  # fmt: skip
ORDER = {
    "id": 5001, "created_at": "2026-11-30T01:53:19+01:00", "processed_at": "2026-11-30T01:53:20+01:00",
    "currency": "EUR", "total_price": "59.00", "current_total_price": "59.00", "source_name": "pos", "test": False,
    "customer": {"id": 77}, "cancelled_at": None,
}  # fmt: skip
REFUND = {
    "id": 9, "order_id": 5001, "created_at": AT, "user_id": 3,
    "transactions": [{"id": 91, "amount": "9.00", "currency": "EUR", "processed_at": AT}],
}  # fmt: skip
GA4: dict[str, Any] = {
    "event_date": "20261130", "event_timestamp": str(AT_MS * 1000), "event_name": "page_view", "platform": "WEB",
    "user_pseudo_id": "123.456", "user_id": None, "batch_page_id": 1, "batch_ordering_id": 2, "batch_event_index": 3,
    "event_params": [
        {"key": "page_location", "value": {"string_value": "https://shop.example/basket?x=1", "int_value": None}},
    ],
}  # fmt: skip
GA4_PURCHASE = GA4 | {
    "event_name": "purchase",
    "ecommerce": {"transaction_id": "T1", "purchase_revenue": 30.5},
    "items": [{"price": 10.0}, {"price": 20.5}],
    "event_params": [
        {"key": "value", "value": {"string_value": None, "double_value": 30.5}},
        {"key": "currency", "value": {"string_value": "EUR", "double_value": None}},
    ],
}
CLOUD = {
    "specversion": "1.0", "id": "A1", "source": "/pos/7", "type": "shop.visit", "subject": "ann", "time": AT,
    "data": {"channel": "store", "csat": 5},
}  # fmt: skip

QUALTRICS: dict[str, Any] = {
    "responseId": "R_1abc",
    "values": {"recordedDate": "2026-11-30T00:53:20Z", "finished": 1, "status": 0, "distributionChannel": "email",
               "externalDataReference": "ann", "userLanguage": "DE", "nps": 9, "csat": "4"},
}  # fmt: skip
QUALTRICS_ROW: dict[str, Any] = {
    "RecordedDate": "2026-11-30 00:53:20", "Status": "0", "Finished": "1", "Progress": "100", "ResponseId": "R_2def",
    "DistributionChannel": "anonymous", "ExternalReference": "", "UserLanguage": "EN", "nps": "3", "ces": "6",
}  # fmt: skip
TYPEFORM: dict[str, Any] = {
    "event_id": "T1", "event_type": "form_response",
    "form_response": {
        "form_id": "f1", "token": "tok1", "landed_at": "2026-11-30T00:52:20Z", "submitted_at": AT,
        "hidden": {"customer_id": "ann"}, "definition": {"id": "f1", "title": "After delivery"},
        "answers": [
            {"type": "text", "text": "well", "field": {"id": "q0", "type": "long_text", "ref": "why"}},
            {"type": "number", "number": 8, "field": {"id": "q1", "type": "nps", "ref": "4f1d"}},
            {"type": "number", "number": 5, "field": {"id": "q2", "type": "rating", "ref": "csat"}},
        ],
    },
}  # fmt: skip
FORMBRICKS: dict[str, Any] = {
    "webhookId": "w", "event": "responseFinished",
    "data": {"id": "r1", "surveyId": "s1", "finished": True, "createdAt": "2026-11-30T00:50:00.000Z",
             "updatedAt": "2026-11-30T00:53:20.000Z", "contact": None, "contactAttributes": {"userId": "ann"},
             "data": {"nps": 10, "why": "fast", "ces": 7}, "language": "de"},
}  # fmt: skip
TICKET: dict[str, Any] = {
    "type": "zen:event-type:ticket.status_changed", "id": "z1", "time": AT, "subject": "zen:ticket:5",
    "detail": {"id": "5", "requester_id": "77", "submitter_id": "3", "status": "SOLVED", "via": {"channel": "email"},
               "created_at": "2026-11-30T00:43:20Z", "updated_at": AT},
    "event": {"previous": "OPEN", "current": "SOLVED"},
}  # fmt: skip
RATINGS: dict[str, Any] = {
    "satisfaction_ratings": [
        {"id": 1, "score": "good", "ticket_id": 5, "requester_id": 77, "created_at": AT, "updated_at": AT},
        {"id": 2, "score": "offered", "ticket_id": 6, "requester_id": 78, "created_at": AT, "updated_at": AT},
        {"id": 3, "score": "bad_with_comment", "ticket_id": 7, "requester_id": 79, "created_at": AT, "updated_at": AT},
    ]
}
SNOWPLOW: dict[str, Any] = {
    "event": "page_view", "event_name": "page_view", "event_id": "c6ef", "event_fingerprint": "e3db", "platform": "web",
    "derived_tstamp": "2026-11-30T00:53:20.000Z", "collector_tstamp": "2026-11-30T02:00:00.000Z", "user_id": None,
    "domain_userid": "bc2e", "page_urlpath": "/basket",
}  # fmt: skip
EPCIS: dict[str, Any] = {
    "type": "EPCISDocument", "schemaVersion": "2.0",
    "epcisBody": {"eventList": [
        {"type": "ObjectEvent", "action": "OBSERVE", "bizStep": "shipping", "disposition": "in_transit",
         "eventTime": "2026-11-30T01:53:20+01:00", "eventTimeZoneOffset": "+01:00",
         "epcList": [f"urn:epc:id:sgtin:4012345.011122.{number}" for number in range(1_000)],
         "readPoint": {"id": "urn:epc:id:sgln:4012345.00001.0"},
         "bizTransactionList": [{"type": "po", "bizTransaction": "urn:epc:id:gdti:4012345.5001"},
                                {"type": "po", "bizTransaction": "urn:epc:id:gdti:4012345.5002"}]},
        {"type": "ObjectEvent", "action": "OBSERVE", "bizStep": "https://ref.gs1.org/cbv/BizStep-receiving",
         "eventTime": AT, "errorDeclaration": {"declarationTime": AT}, "bizTransactionList": [{"bizTransaction": "x"}]},
        {"type": "ObjectEvent", "action": "ADD", "bizStep": "commissioning", "eventTime": AT},
    ]},
}  # fmt: skip

Expected = dict[str, Any] | NoEvent
SAMPLES: dict[str, list[tuple[Any, list[Expected]]]] = {
    "segment": [
        (SEGMENT, [
            {"event_id": "order:1001", "occurred_at": AT_MS + 5_000, "customer_id": "ann", "anonymous_id": "d1",
             "channel": "web", "action": "purchase", "revenue_minor": 1_250, "currency": "EUR"},
            {"event_id": "order:1001", "occurred_at": AT_MS + 5_000, "channel": "server", "revenue_minor": 1_250},
            {"event_id": "b2", "anonymous_id": "d1", "touchpoint": "home", "action": "view", "channel": "web"},
            {"event_id": "b3", "touchpoint": "product viewed", "action": "view"},
            {"event_id": "b4", "customer_id": "ann", "anonymous_id": "d1", "action": "identify"},
            NoEvent("no rule is for it"),
            NoEvent("it joins ids and touches no channel"),
            NoEvent("it comes from a bot"),
        ]),
        (SEGMENT["batch"][2], [{"event_id": "b2", "occurred_at": AT_MS}]),
    ],
    "shopify": [
        (ORDER, [
            {"event_id": "order:5001", "occurred_at": AT_MS, "customer_id": "77", "anonymous_id": "shopify-order:5001",
             "channel": "store", "action": "purchase", "revenue_minor": 5_900, "currency": "EUR", "source": "shopify"},
            {"event_id": "identify:5001", "action": "identify", "customer_id": "77",
             "anonymous_id": "shopify-order:5001"},
        ]),
        (ORDER | {"test": True}, [NoEvent("it is a test order")]),
        (ORDER | {"currency": "JPY", "total_price": "5900", "current_total_price": "5900", "customer": None},
         [{"revenue_minor": 5_900, "currency": "JPY"}]),
        (REFUND, [{"event_id": "refund:91", "anonymous_id": "shopify-order:5001", "action": "return",
                   "revenue_minor": -900}]),
    ],
    "ga4": [
        (GA4, [{"occurred_at": AT_MS, "anonymous_id": "123.456", "channel": "web", "touchpoint": "/basket",
                "action": "view"}]),
        (GA4_PURCHASE, [{"event_id": "order:T1", "revenue_minor": 3_050, "currency": "EUR", "action": "purchase"}]),
        (GA4 | {"event_name": "scroll"}, [NoEvent("GA4 adds it by itself")]),
        (GA4 | {"user_pseudo_id": None}, [NoEvent("without consent there is no id")]),
    ],
    "cloudevents": [
        (CLOUD, [{"event_id": "/pos/7#A1", "source": "/pos/7", "occurred_at": AT_MS, "customer_id": "ann",
                  "channel": "store", "touchpoint": "shop.visit", "csat": 5}]),
        (CLOUD | {"time": None, "data": None}, [{"occurred_at": RECEIVED["received_at"], "channel": "api"}]),
        ({"id": "A1"}, [NoEvent("it has no specversion")]),
    ],
    "qualtrics": [
        (QUALTRICS, [{"event_id": "qualtrics:R_1abc", "occurred_at": AT_MS, "customer_id": "ann", "action": "survey",
                      "nps": 9, "csat": 4, "source": "qualtrics", "attributes": {"language": "DE"}}]),
        (QUALTRICS_ROW, [{"event_id": "qualtrics:R_2def", "occurred_at": AT_MS, "customer_id": None,
                          "anonymous_id": "qualtrics:R_2def", "nps": 3, "ces": 6, "csat": None}]),
        (QUALTRICS_ROW | {"ResponseId": "Antwort-ID", "nps": "Wie wahrscheinlich …"},
         [NoEvent("it is a row of the header")]),
        (QUALTRICS_ROW | {"ResponseId": '{"ImportId":"_recordId"}'}, [NoEvent("it is a row of the header")]),
        (QUALTRICS_ROW | {"Finished": "False"}, [NoEvent("the response is unfinished")]),
        (QUALTRICS_ROW | {"Status": "Survey Preview"}, [NoEvent("it is a preview, a test or spam")]),
        (QUALTRICS | {"values": QUALTRICS["values"] | {"finished": 0}}, [NoEvent("the response is unfinished")]),
        (QUALTRICS | {"values": QUALTRICS["values"] | {"distributionChannel": "preview"}},
         [NoEvent("it is a preview")]),
    ],
    "typeform": [
        (TYPEFORM, [{"event_id": "typeform:tok1", "occurred_at": AT_MS, "customer_id": "ann", "nps": 8, "csat": 5,
                     "ces": None, "touchpoint": "After delivery", "duration_ms": 60_000}]),
        (TYPEFORM | {"form_response": TYPEFORM["form_response"] | {"hidden": {}, "answers": []}},
         [{"event_id": "typeform:tok1", "anonymous_id": "typeform:tok1", "customer_id": None, "nps": None}]),
        (TYPEFORM | {"event_type": "form_response_partial"}, [NoEvent("the form isn't submitted")]),
    ],
    "formbricks": [
        (FORMBRICKS, [{"event_id": "formbricks:r1", "occurred_at": AT_MS, "customer_id": "ann", "nps": 10, "ces": 7,
                       "touchpoint": "s1"}]),
        (FORMBRICKS | {"event": "responseUpdated"}, [NoEvent("the response is unfinished")]),
        (FORMBRICKS | {"data": FORMBRICKS["data"] | {"finished": False}}, [NoEvent("the response is unfinished")]),
    ],
    "zendesk": [
        (TICKET, [{"event_id": "event:z1", "occurred_at": AT_MS, "customer_id": "77", "channel": "email",
                   "touchpoint": "ticket solved", "outcome": "success", "duration_ms": 600_000}]),
        (TICKET | {"event": {"previous": "SOLVED", "current": "OPEN"}},
         [{"touchpoint": "ticket reopened", "outcome": "failure", "duration_ms": None}]),
        (TICKET | {"event": {"previous": "SOLVED", "current": "CLOSED"}}, [NoEvent("no rule is for it")]),
        (TICKET | {"type": "zen:event-type:ticket.created"}, [{"touchpoint": "ticket", "outcome": None}]),
        (TICKET | {"type": "zen:event-type:ticket.marked_as_spam"}, [NoEvent("no rule is for it")]),
        (RATINGS, [
            {"event_id": "rating:1", "customer_id": "77", "csat": 5, "attributes": {"ticket": "5"}},
            NoEvent("the rating was not given"),
            {"event_id": "rating:3", "csat": 1},
        ]),
    ],
    "snowplow": [
        (SNOWPLOW, [{"occurred_at": AT_MS, "anonymous_id": "bc2e", "customer_id": None, "channel": "web",
                     "touchpoint": "/basket", "action": "view"}]),
        (SNOWPLOW | {"event_fingerprint": "ffff"}, [{"touchpoint": "/basket"}]),
        (SNOWPLOW | {"event": "page_ping", "event_name": "page_ping"}, [NoEvent("a page ping is no touch")]),
        (SNOWPLOW | {"event": "unstruct", "event_name": "link_click", "platform": "mob"},
         [{"touchpoint": "link_click", "action": "click", "channel": "app"}]),
        (SNOWPLOW | {"event": "transaction", "tr_orderid": "O1", "tr_total": "12.50", "tr_currency": "EUR"},
         [{"event_id": "order:O1", "action": "purchase", "revenue_minor": 1_250, "currency": "EUR"}]),
        (SNOWPLOW | {"contexts_com_iab_snowplow_spiders_and_robots_1": [{"spiderOrRobot": True}]},
         [NoEvent("it comes from a bot")]),
    ],
    "epcis": [
        (EPCIS, [
            {"occurred_at": AT_MS, "anonymous_id": "urn:epc:id:gdti:4012345.5001", "touchpoint": "shipping",
             "channel": "delivery"},
            {"anonymous_id": "urn:epc:id:gdti:4012345.5002", "touchpoint": "shipping"},
            NoEvent("it declares an earlier event an error"),
            NoEvent("it names no order"),
        ]),
        (EPCIS["epcisBody"]["eventList"][0] | {"bizStep": "https://ref.gs1.org/cbv/BizStep-receiving"},
         [{"touchpoint": "receiving"}, {"anonymous_id": "urn:epc:id:gdti:4012345.5002"}]),
    ],
}  # fmt: skip


def outcomes(name: str, document: Any) -> list[Outcome]:
    converter = MessageConverter(message_mapping(SHIPPED / f"{name}.yaml"))
    return [one for message in converter.messages(document) for one in converter.outcomes(message, RECEIVED)]


def test_every_shipped_mapping_has_samples_and_is_called_as_its_file() -> None:
    assert sorted(SAMPLES) == shipped_mappings()
    assert [message_mapping(SHIPPED / f"{name}.yaml").name for name in SAMPLES] == list(SAMPLES)


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name in SAMPLES for number in range(len(SAMPLES[name]))]
)
def test_a_sample_becomes_the_events_that_it_means(name: str, number: int) -> None:
    document, expected = SAMPLES[name][number]
    found = outcomes(name, document)
    assert len(found) == len(expected)
    for outcome, wanted in zip(found, expected, strict=True):
        if isinstance(wanted, NoEvent):
            assert outcome == wanted
            continue
        assert isinstance(outcome, Converted), outcome
        assert {field: outcome.fields.get(field) for field in wanted} == wanted
        event = from_fields(outcome.fields)
        assert isinstance(event, Touchpoint), event
        assert check(canonical(event), RECEIVED["received_at"]) is None


Identity = tuple[str, bytes, str]


def of_a_file(name: str, documents: Sequence[Any], folder: Path) -> dict[Identity, dict[str, Any]]:
    """The events of a file of documents, by what they are told apart by."""
    file = folder / f"{len(list(folder.iterdir()))}.ndjson"
    file.write_text("".join(json.dumps(one) + "\n" for one in documents))
    chunks = read_chunks(ByteSource(str(file)), None, message_mapping(SHIPPED / f"{name}.yaml"))
    return by_identity([from_fields(json.loads(line)) for chunk in chunks for line in chunk.lines])


def of_the_gateway(name: str, documents: Sequence[Any]) -> dict[Identity, dict[str, Any]]:
    """The same of one request for each document."""
    found: list[Any] = []
    for document in documents:
        converter = MessageConverter(message_mapping(SHIPPED / f"{name}.yaml"))
        intake = MappedIntake(converter, Encoder(), RECEIVED["received_at"], Terms())
        records = asyncio.run(intake.take([json.dumps(document).encode()])).judged.records
        frame, refused = decode_batch([record.value for record in records], WriterSchemas())
        assert refused == []
        rows = [{k: v for k, v in row.items() if k != "position"} for row in frame.to_dicts()]
        found += [from_fields(row | {"attributes": dict(row["attributes"])}) for row in rows]
    return by_identity(found)


def timed(name: str) -> list[Any]:
    """The samples that say when they happened, which a file must."""
    return [document for document, _ in SAMPLES[name] if not (name == "cloudevents" and document.get("time") is None)]


def by_identity(events: Sequence[Any]) -> dict[Identity, dict[str, Any]]:
    """The first event of each identity; without the time of its receipt, which a file doesn't know."""
    found: dict[Identity, dict[str, Any]] = {}
    for event in map(canonical, events):
        fields = msgspec.structs.asdict(event) | {"received_at": None}
        found.setdefault((event.source or event.channel, event.key, event.event_id), fields)
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_twice_shuffled_and_in_halves_are_the_same_events(name: str, tmp_path: Path) -> None:
    documents = timed(name)
    once = of_a_file(name, documents, tmp_path)
    assert once
    shuffled = random.Random(1).sample(documents * 2, 2 * len(documents))
    half = len(shuffled) // 2
    halves = of_a_file(name, shuffled[:half], tmp_path) | of_a_file(name, shuffled[half:], tmp_path)
    assert set(halves) == set(of_a_file(name, shuffled, tmp_path)) == set(once)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_become_the_same_events_at_the_gateway_as_in_a_file(name: str, tmp_path: Path) -> None:
    documents = timed(name)
    if name == "segment":
        documents = documents[1:]  # the other's clock is put right by when the gateway received it
    assert of_the_gateway(name, documents) == of_a_file(name, documents, tmp_path)


def test_copies_that_snowplow_itself_made_are_events_of_their_own() -> None:
    ids = {
        one.fields["event_id"]
        for fingerprint in ("e3db", "e3db", "ffff")
        for one in outcomes("snowplow", SNOWPLOW | {"event_fingerprint": fingerprint})
        if isinstance(one, Converted)
    }
    assert len(ids) == 2


def test_the_mapping_for_a_survey_of_surveymonkey_in_the_docs_makes_its_events(tmp_path: Path) -> None:
    docs = (Path(__file__).parents[5] / "docs" / "mapping.md").read_text()
    (block,) = [one for one in docs.split("```yaml\n") if one.startswith("# surveymonkey.yaml")]
    (tmp_path / "surveymonkey.yaml").write_text(block.partition("```")[0])
    answers = [{"id": "1", "answers": []}, {"id": "84829501", "answers": [{"choice_metadata": {"weight": "9"}}]}]
    done = {"id": "71", "response_status": "completed", "date_modified": "2026-11-30T00:53:20+00:00",
            "custom_variables": {}, "pages": [{"id": "2", "questions": []}, {"id": "30306028", "questions": answers}],
            "collection_mode": "default"}  # fmt: skip
    converter = MessageConverter(message_mapping(tmp_path / "surveymonkey.yaml"))
    document = {"data": [done, done | {"response_status": "partial"}, done | {"collection_mode": "preview"}]}
    found, *others = [one for message in converter.messages(document) for one in converter.outcomes(message)]
    assert isinstance(found, Converted)
    assert isinstance(event := from_fields(found.fields), Touchpoint) and check(canonical(event), AT_MS) is None
    assert (event.event_id, event.occurred_at, event.nps) == ("surveymonkey:71", AT_MS, 9)
    assert others == [NoEvent("the response is unfinished"), NoEvent("it is a preview")]
