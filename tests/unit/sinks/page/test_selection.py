"""A view of the page is its address, and any address gives a view or a plain answer."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.page.selection import Selection, SelectionError

ALL = None


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(BY_NAME)), names | st.none(), names | st.just(ALL), names | st.just(ALL), names | st.none()
)
def test_any_selection_survives_its_address(
    window: str, journey: str | None, channel: str, segment: str, opened: str | None
) -> None:
    selection = Selection(window, journey, channel, segment, opened)
    assert Selection.of(dict(parse_qsl(selection.query, keep_blank_values=True))) == selection


def test_no_segment_is_another_choice_than_all_segments() -> None:
    assert Selection.of({"segment": ""}).segment == ""
    assert Selection.of({}).segment == ALL


@pytest.mark.parametrize("query", [{"window": "3m"}, {"window": ""}, {"channel": "c" * 1001}, {"open": "ü" * 501}])
def test_a_choice_that_is_not_offered_is_refused_in_a_sentence(query: dict[str, str]) -> None:
    with pytest.raises(SelectionError, match=r"there is no such window: choose one of 1m|is too long"):
        Selection.of(query)
