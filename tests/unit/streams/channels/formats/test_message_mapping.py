"""Mappings of messages: what a file may say, and what becomes of a message."""

from pathlib import Path
from typing import Any

import pytest

from touchstream.schemas.touchpoint import Reason
from touchstream.streams.channels.formats.mapping import FieldMapping, MappingError
from touchstream.streams.channels.formats.message_conversion import Converted, Declined, MessageConverter, NoEvent
from touchstream.streams.channels.formats.message_mapping import MessageMapping, mapping_of, message_mapping

WEBHOOK = r"""
format: 2
name: webhook
source: crm
amounts: major
skip:
  - {when: {preview: "true"}, why: it is a preview}
events:
  - name: call
    when: {kind: [call, callback]}
    fields:
      event_id: {path: id, prefix: "call-"}
      occurred_at: {path: at, unit: seconds}
      customer_id: {path: [customer.id, customer.key]}
      channel: {constant: call_centre}
      touchpoint: {path: queue, lower: true, default: hotline}
      outcome: {path: result, values: {solved: success, open: null}, otherwise: failure}
      duration_ms: {between: [at, ended]}
      attributes.agent: {path: agent, matches: '^(\w+)@'}
  - name: rating
    when: {rating: {exists: true}}
    fields:
      event_id: {hash: [id, rating]}
      occurred_at: {path: at, unit: seconds}
      customer_id: customer.id
      channel: {constant: call_centre}
      touchpoint: {constant: rating}
      csat: rating
  - name: line
    when: {kind: order}
    each: lines[*]
    fields:
      event_id: {join: [id, item.sku]}
      occurred_at: {path: at, unit: seconds}
      customer_id: customer.id
      channel: {constant: web}
      touchpoint: {constant: order line}
      revenue_minor: item.price
      currency: {path: item.currency, default: EUR}
""".replace("\\\\w", "\\w")
AT = 1_796_000_000
CALL: dict[str, Any] = {
    "kind": "call", "id": 7, "at": AT, "ended": AT + 90, "queue": "Billing", "result": "solved", "agent": "ann@shop",
    "customer": {"key": "k1"},
}  # fmt: skip


def loaded(tmp_path: Path, text: str = WEBHOOK) -> MessageMapping:
    file = tmp_path / "webhook.yaml"
    file.write_text(text)
    return message_mapping(file)


@pytest.fixture
def converter(tmp_path: Path) -> MessageConverter:
    return MessageConverter(loaded(tmp_path))


def test_each_rule_that_holds_makes_an_event(converter: MessageConverter) -> None:
    call, rating = converter.outcomes(CALL | {"rating": "4"})
    assert isinstance(call, Converted) and isinstance(rating, Converted)
    assert call.fields == {
        "event_id": "call-7", "occurred_at": AT * 1000, "customer_id": "k1", "channel": "call_centre",
        "touchpoint": "billing", "outcome": "success", "attributes": {"agent": "ann"}, "source": "crm",
    } | {"duration_ms": 90}  # fmt: skip
    assert (rating.rule, rating.fields["csat"]) == ("rating", 4)


def test_a_value_has_a_default_and_what_is_in_no_table_has_its_own_reading(converter: MessageConverter) -> None:
    (call,) = converter.outcomes(CALL | {"queue": "", "result": "lost", "agent": "?"})
    assert isinstance(call, Converted)
    assert (call.fields["touchpoint"], call.fields["outcome"]) == ("hotline", "failure")
    assert "attributes" not in call.fields
    (unsolved,) = converter.outcomes(CALL | {"result": "open"})
    assert isinstance(unsolved, Converted) and "outcome" not in unsolved.fields


def test_each_element_is_an_event_of_its_own_and_a_bad_one_takes_no_other_along(converter: MessageConverter) -> None:
    lines = [{"sku": "a", "price": "1.50"}, {"sku": "b", "price": "1.234"}, {"sku": "c", "price": 2, "currency": "JPY"}]
    found = converter.outcomes({"kind": "order", "id": 1, "at": AT, "customer": {"id": "c"}, "lines": lines})
    first, refused, last = found
    assert isinstance(first, Converted) and isinstance(last, Converted) and isinstance(refused, Declined)
    assert (first.fields["event_id"], first.fields["revenue_minor"]) == ("1-a", 150)
    assert (refused.rule, refused.reason) == ("line", Reason.WRONG_TYPE)
    assert last.fields["revenue_minor"] == 2


def test_a_message_that_is_no_event_says_why(converter: MessageConverter) -> None:
    assert converter.outcomes(CALL | {"preview": True}) == [NoEvent("it is a preview")]
    assert converter.outcomes({"kind": "mail"}) == [NoEvent("no rule is for it")]
    (refused,) = converter.outcomes(["no object"])
    assert isinstance(refused, Declined) and refused.reason is Reason.WRONG_TYPE


def test_a_device_clock_is_corrected_by_when_its_message_arrived(tmp_path: Path) -> None:
    text = WEBHOOK.replace("{path: at, unit: seconds}", "{path: at, unit: seconds, skew: {sent: sent}}", 1)
    converter = MessageConverter(loaded(tmp_path, text))
    (call,) = converter.outcomes(CALL | {"sent": AT + 60}, {"received_at": (AT + 3_660) * 1000})
    assert isinstance(call, Converted) and call.fields["occurred_at"] == (AT + 3_600) * 1000
    (unknown,) = converter.outcomes(CALL | {"sent": AT + 60})
    assert isinstance(unknown, Converted) and unknown.fields["occurred_at"] == AT * 1000
    (absurd,) = converter.outcomes(CALL | {"sent": AT - 10**9}, {"received_at": AT * 1000})
    assert isinstance(absurd, Converted) and absurd.fields["occurred_at"] == AT * 1000


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("rating: {exists: true}", "rating: {exist: true}", "no such key; did you mean exists?"),
        ("customer_id: {path: [customer.id", "customer_iq: {path: [customer.id", "customer_iq: no such field"),
        ("{constant: call_centre}", "{constant: a, path: b}", "give one of path, constant"),
        ("each: lines[*]", "each: lines", "each has no [*]"),
        ("queue, lower: true", "queue, unit: seconds", "touchpoint is no time"),
        ("[at, ended]", "[at]", "between"),
        ("matches: '^(", "matches: '^((", "is no regular expression"),
        ("name: rating", "name: call", "two rules are called call"),
        ("item.price", "{path: item.price, factor: 100}", "revenue_minor has no factor"),
        ("item.sku]", "item..sku]", "can't be read from"),
        ("amounts: major", "amounts: cents", "Input should be 'major' or 'minor'"),
    ],
)
def test_an_error_in_a_mapping_names_its_line(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in WEBHOOK
    text = WEBHOOK.replace(before, after, 1)
    with pytest.raises(MappingError) as refused:
        loaded(tmp_path, text)
    assert said in str(refused.value)
    line = int(str(refused.value).split("webhook.yaml:")[1].split(":")[0])
    assert (line > 1) == (said != "two rules are called call")  # which is said of the file


def test_mappings_of_columns_go_on_working(tmp_path: Path) -> None:
    file = tmp_path / "columns.yaml"
    file.write_text("columns: {event_id: ID, occurred_at: At, customer_id: Who}\n")
    assert isinstance(mapping_of(str(file)), FieldMapping)


def test_an_unknown_mapping_names_the_shipped_ones() -> None:
    with pytest.raises(MappingError, match=r"no such file, and no shipped mapping; there are .*segment"):
        mapping_of("segmnt")
