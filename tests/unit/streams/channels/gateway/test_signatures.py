"""Signatures of webhooks: known answers of those who sign so, and what must never be taken for signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.datastructures import Headers

from touchstream.streams.channels.gateway.signatures import (
    SECRET_BYTES_MIN,
    SIGNATURES_MAX,
    SignatureForm,
    SignatureRefused,
    Verifier,
)
from touchstream.streams.channels.gateway.sources import signature_forms

NOW_MS = 1_796_000_000_000
SECRET = "whoever reads this can sign"  # noqa: S105
BODY = b'{"id": 1,  "total": "9.50"}\n'


def headers(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in pairs])


def refused(verifier: Verifier, given: Headers, body: bytes = BODY, now_ms: int = NOW_MS) -> str:
    """Why a request is refused; empty if it is taken."""
    try:
        verifier.check(verifier.claim(given, now_ms), body)
    except SignatureRefused as error:
        return str(error)
    return ""


def digest(secret: bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.new(secret, message, algorithm).digest()


def stripe(secret: str = SECRET, at: int = NOW_MS // 1000, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()


def test_published_examples_of_those_who_sign_so_are_taken() -> None:
    """GitHub's documentation and the specification of Standard Webhooks."""
    github = Verifier(signature_forms()["github"], ["It's a Secret to Everybody"])
    signed = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert refused(github, headers(("X-Hub-Signature-256", signed)), b"Hello, World!") == ""
    standard = Verifier(signature_forms()["standard-webhooks"], ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    given = headers(
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,AAAA v2,BBBB v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    )  # fmt: skip
    assert refused(standard, given, b'{"test": 2432232314}', 1_614_265_330_000 + 299_000) == ""


@pytest.mark.parametrize("name", sorted(signature_forms()))
def test_every_form_takes_what_is_signed_and_nothing_of_which_a_byte_differs(name: str) -> None:
    form = signature_forms()[name]
    secret = form.secret_prefix + (base64.b64encode(SECRET.encode()).decode() if form.secret_prefix else SECRET)
    at = "2026-11-30T00:53:20Z" if form.timestamp and form.timestamp.format == "iso" else str(NOW_MS // 1000)
    said = {"{timestamp}": at, "{webhook-id}": "m1"}
    before, _, after = form.signed.partition("{body}")
    for place, value in said.items():
        before, after = before.replace(place, value), after.replace(place, value)
    found = digest(SECRET.encode(), before.encode() + BODY + after.encode(), form.algorithm)
    written = found.hex() if form.encoding == "hex" else base64.b64encode(found).decode()
    parts = [form.prefix + written]
    given = [("webhook-id", "m1")]
    if form.timestamp and form.timestamp.prefix:
        parts.insert(0, form.timestamp.prefix + at)
    elif form.timestamp and form.timestamp.header:
        given.append((form.timestamp.header, at))
    signature = (form.separator or "").join(parts)
    verifier = Verifier(form, [secret])
    assert refused(verifier, headers(*given, (form.header, signature))) == ""
    for body in (BODY[:-1], BODY + b" ", BODY.replace(b"1", b"2"), b""):
        assert "not that of this body" in refused(verifier, headers(*given, (form.header, signature)), body)
    other = Verifier(form, [secret[:-4] + "AAAA"])
    assert "not that of this body" in refused(other, headers(*given, (form.header, signature)))


def test_a_signature_must_be_there_once_and_whole() -> None:
    verifier = Verifier(signature_forms()["github"], [SECRET])
    right = digest(SECRET.encode(), BODY).hex()
    name = "X-Hub-Signature-256"
    assert refused(verifier, headers((name, f"sha256={right}"))) == ""
    assert refused(verifier, headers((name, f"sha256={right.upper()}"))) == ""
    for given in (
        headers(), headers((name, "")), headers((name, "sha256=")), headers((name, right)),
        headers((name, f"sha1={right}")), headers((name, f"sha256={right[:-1]}")), headers((name, f"sha256={right}0")),
        headers((name, f"sha256={right}"), (name, f"sha256={right}")), headers((name, f"sha256=\xff{right}")),
    ):  # fmt: skip
        assert refused(verifier, given)


def test_a_message_is_taken_within_the_tolerance_and_refused_a_second_beyond_it() -> None:
    verifier = Verifier(signature_forms()["stripe"], [SECRET])
    at = NOW_MS // 1000
    given = headers(("Stripe-Signature", f"t={at},v1={stripe()}"))
    for off_seconds in (-300, 0, 300):
        assert refused(verifier, given, now_ms=NOW_MS + off_seconds * 1000) == ""
    for off_seconds in (-301, 301):
        assert "the tolerance is 300 s" in refused(verifier, given, now_ms=NOW_MS + off_seconds * 1000)
    later = headers(("Stripe-Signature", f"t={at + 400},v1={stripe()}"))
    assert "not that of this body" in refused(verifier, later, now_ms=NOW_MS + 400_000)


@pytest.mark.parametrize(
    "signature",
    ["v1={v1}", "t=,v1={v1}", "t=now,v1={v1}", "t={t},t={t},v1={v1}", "t=-{t},v1={v1}", "t={t}", "t={t},v0={v1}"],
)
def test_a_signature_without_its_one_time_is_refused(signature: str) -> None:
    verifier = Verifier(signature_forms()["stripe"], [SECRET])
    text = signature.format(v1=stripe(), t=NOW_MS // 1000)
    assert refused(verifier, headers(("Stripe-Signature", text)))


def test_old_and_new_secret_are_both_taken_and_one_of_several_signatures_is_enough() -> None:
    verifier = Verifier(signature_forms()["stripe"], ["the one that is withdrawn", SECRET])
    at = NOW_MS // 1000
    for secret in ("the one that is withdrawn", SECRET):
        assert refused(verifier, headers(("Stripe-Signature", f"t={at},v1={stripe(secret)}"))) == ""
    both = f"t={at},v1={stripe('of somebody else altogether')},v1={stripe()}"
    assert refused(verifier, headers(("Stripe-Signature", both))) == ""
    assert refused(verifier, headers(("Stripe-Signature", f"t={at},v1={stripe('of somebody else altogether')}")))
    many = ",".join(["v1=0"] * (SIGNATURES_MAX - 1) + [f"v1={stripe()}"])
    assert refused(verifier, headers(("Stripe-Signature", f"t={at},{many}"))) == ""
    assert "more than" in refused(verifier, headers(("Stripe-Signature", f"t={at},v1=0,{many}")))


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"header": "X", "signed": "{timestamp}"}, "must have {body} once"),
        ({"header": "X", "signed": "{body}{body}"}, "must have {body} once"),
        ({"header": "X", "timestamp": {"header": "T"}}, "must have {timestamp}"),
        ({"header": "X", "signed": "{timestamp}{body}"}, "must have {timestamp}"),
        ({"header": "X", "signed": "{timestamp}{body}", "timestamp": {"prefix": "t="}}, "needs separator"),
        ({"header": "X", "signed": "{timestamp}{body}", "timestamp": {}}, "give header, or prefix"),
        ({"header": "X Y"}, "is no name of a header"),
        ({"header": "X", "signed": "{a b}{body}"}, "is no name of a header"),
        ({"header": "X", "algorithm": "md5"}, "Input should be"),
    ],
)
def test_a_form_that_would_leave_something_unsigned_is_refused(form: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SignatureForm.model_validate(form)


@pytest.mark.parametrize("name", ["github", "standard-webhooks"])
def test_a_secret_that_is_none_or_short_is_refused_and_never_quoted(name: str) -> None:
    form = signature_forms()[name]
    with pytest.raises(ValueError, match="no secret"):
        Verifier(form, [])
    for secret in ("", "   ", "hunter2-hunter2"[:SECRET_BYTES_MIN], "whsec_hunter2=hunter2"):
        if len(secret) > SECRET_BYTES_MIN and name == "github":
            continue
        with pytest.raises(ValueError, match=r"a secret (has|is)") as error:
            Verifier(form, [secret])
        assert "hunter2" not in str(error.value)
