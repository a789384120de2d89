"""The JSON layer against nst/JSONTestSuite: `y_` is read, `n_` refused, `i_` either, and nothing ends the process."""

from pathlib import Path

import pytest

from touchstream.schemas.codec import Undecodable, WriterSchemas, encode_single_object, parse_json
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.touchpoint import Reason, Touchpoint

SUITE = Path(__file__).parents[3] / "shared" / "data" / "conformance" / "json_test_suite" / "test_parsing"
FILES = {path.name: path.read_bytes() for path in sorted(SUITE.glob("*.json"))} if SUITE.is_dir() else {}

pytestmark = pytest.mark.skipif(not FILES, reason=f"needs the JSON test suite at {SUITE}")


def reads(text: bytes) -> bool:
    try:
        parse_json(text)
    except Undecodable:
        return False
    return True


def test_every_text_that_is_json_is_read_and_every_text_that_is_none_is_refused() -> None:
    wrong = [name for name, text in FILES.items() if name[0] in "yn" and reads(text) != (name[0] == "y")]
    assert wrong == []
    assert len(FILES) == 318


def test_no_text_that_parsers_disagree_on_ends_the_process() -> None:
    assert all(reads(text) in {True, False} for name, text in FILES.items() if name.startswith("i_"))


def test_on_the_topic_every_text_is_refused_with_a_reason_and_the_events_between_are_read() -> None:
    good = encode_single_object(Touchpoint(event_id="e", occurred_at=1, channel="c", touchpoint="t"))
    values = [value for text in FILES.values() for value in (good, text)]
    frame, refused = decode_batch(values, WriterSchemas())
    assert frame["position"].to_list() == list(range(0, len(values), 2))
    assert [refusal.position for refusal in refused] == list(range(1, len(values), 2))
    by_name = dict(zip(FILES, refused, strict=True))
    assert {refusal.reason for name, refusal in by_name.items() if name.startswith("n_")} == {Reason.UNDECODABLE}
    assert all(refusal.detail for refusal in refused)
