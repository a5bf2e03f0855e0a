"""OVH's signature as the vendor's own client makes it, and every way to get it wrong."""

import hashlib
from email.message import Message

import pytest

from providers.simulator.ovh_signature import SKEW_SECONDS, Secrets, SignatureError, Signatures

NOW = 1_700_000_000
URL = "https://eu.api.ovh.com/1.0/domain/zone/valbourg.example/record?fieldType=A&subDomain="
BODY = b'{"ttl":60}'
SIGNATURES = Signatures({"app": Secrets("app-secret", "consumer")})


def headers(
    url: str = URL, at: int = NOW, secret: str = "app-secret", changed: tuple[str, str] = ("X-Other", "")
) -> Message:
    text = "+".join([secret, "consumer", "POST", url, BODY.decode(), str(at)])
    made = Message()
    given = {
        "X-Ovh-Application": "app",
        "X-Ovh-Consumer": "consumer",
        "X-Ovh-Timestamp": str(at),
        "X-Ovh-Signature": "$1$" + hashlib.sha1(text.encode()).hexdigest(),
    }
    given.update([changed])
    for name, value in given.items():
        made[name] = value
    return made


def test_a_right_signature_passes() -> None:
    SIGNATURES.verify("POST", URL, BODY, headers(), NOW)
    SIGNATURES.verify("post", URL, BODY, headers(at=NOW - SKEW_SECONDS), NOW)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (headers(secret="another"), "INVALID_SIGNATURE"),
        (headers(url=URL + "www"), "INVALID_SIGNATURE"),
        (headers(changed=("X-Ovh-Signature", "é")), "INVALID_SIGNATURE"),
        (headers(at=NOW + SKEW_SECONDS + 1), "QUERY_TIME_OUT"),
        (headers(at=NOW - SKEW_SECONDS - 1), "QUERY_TIME_OUT"),
        (headers(changed=("X-Ovh-Timestamp", "now")), "QUERY_TIME_OUT"),
        (headers(changed=("X-Ovh-Application", "other")), "INVALID_KEY"),
        (headers(changed=("X-Ovh-Consumer", "other")), "INVALID_CREDENTIAL"),
        (headers(changed=("X-Ovh-Consumer", "")), "NOT_CREDENTIAL"),
    ],
)
def test_a_wrong_one_is_refused_in_the_vendors_words(wrong: Message, code: str) -> None:
    with pytest.raises(SignatureError) as caught:
        SIGNATURES.verify("POST", URL, BODY, wrong, NOW)
    assert caught.value.code == caught.value.body["errorCode"] == code


def test_another_method_or_body_is_refused() -> None:
    for method, body in (("PUT", BODY), ("POST", BODY + b" ")):
        with pytest.raises(SignatureError):
            SIGNATURES.verify(method, URL, body, headers(), NOW)


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(SIGNATURES)
