"""Records that a door has refused already: their headers say why, and a lane makes dead letters of them unread.

Who may produce to the topic can call nothing but its own record refused (docs/decisions/0023).
"""

from collections.abc import Sequence
from typing import Final

from touchstream.schemas.touchpoint import Reason, Refusal, shown
from touchstream.streams.measure.records import Headers

REFUSED: Final = "touchstream-refused"
"""Header of a record that holds no event but what was refused: the code of the reason."""
REFUSED_DETAIL: Final = "touchstream-refused-detail"
"""Header with the detail of a refusal: what to mend, in words."""
SENT_BY: Final = "touchstream-sent-by"
"""Header with the name of the key that a refused event was sent with, where keys are required."""
ORIGIN: Final = "touchstream-origin"
"""Header with the record of another topic that a refused event was read from: topic/partition/offset."""
TRUNCATED: Final = "touchstream-truncated"
"""Header of a record, or of a dead letter in the topic, whose value was cut: how many bytes it had."""


def refused_before(headers: Sequence[Headers]) -> list[Refusal]:
    """What was refused before it came to the log, by its place in the batch. Of the record itself nothing is read."""
    if not any(headers):  # by far the most, and found out without a loop in Python
        return []
    found = {at for at, of_record in enumerate(headers) for name, _ in of_record if name == REFUSED}
    return [_refusal(at, headers[at]) for at in sorted(found)]


def _refusal(position: int, headers: Headers) -> Refusal:
    said = values(headers, REFUSED)
    try:
        (code,) = said
        reason = Reason(code.decode())
        if reason == Reason.CONTROL_REFUSED:  # nothing that a door could say
            raise ValueError(reason)  # noqa: TRY301
    except ValueError:
        detail = f"{REFUSED} says {', '.join(map(shown, said))}; it takes one reason that an event may be refused for"
        return Refusal(position, Reason.UNDECODABLE, detail)
    return Refusal(position, reason, b" ".join(values(headers, REFUSED_DETAIL)).decode("utf-8", "replace"))


def bytes_before_cut(headers: Headers) -> bytes | None:
    """How many bytes a refused record had that says that it holds the beginning only; None for any other."""
    said = values(headers, TRUNCATED)
    return said[0] if said and said[0].isdigit() and values(headers, REFUSED) else None


def values(headers: Headers, name: str) -> list[bytes]:
    """What the headers say under a name."""
    return [value or b"" for one, value in headers if one == name]
