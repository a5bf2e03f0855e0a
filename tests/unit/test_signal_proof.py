"""A delivery is its source's by the raw bytes alone: wrong keys, skewed clocks and odd headers are refused."""

import pytest

from orchestrator.domain.estate import read_estate
from orchestrator.domain.signals.proof import WINDOW, fault_in
from orchestrator.domain.signals.source import Source
from tests.integration.service_fixture import ESTATE
from tests.signal_senders import SECRETS, SIGNALS, STANDARD_SECRET, proven, standard_signature

NOW = 1795597920.0
BODY = b'{"alerts": []}'

ESTATE_READ, PROBLEMS = read_estate(ESTATE + SIGNALS)
assert ESTATE_READ is not None, PROBLEMS
SOURCES = ESTATE_READ.signals.sources


def fault(name: str, headers: dict[str, str], body: bytes = BODY, secret: str = "", now: float = NOW) -> str:
    return fault_in(SOURCES[name], secret or SECRETS[name], headers, body, now)


def headers_of(name: str, at: float = NOW, body: bytes = BODY) -> dict[str, str]:
    return {key.lower(): value for key, value in proven(name, body, at).headers.items()}


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_source_proves_is_accepted_and_nothing_else(name: str) -> None:
    right = headers_of(name)
    assert fault(name, right) == ""
    assert fault(name, {})
    assert fault(name, right, secret="another")
    for key in set(right) - {"content-type"}:
        wrong = {**right, key: right[key][:-1] + ("0" if right[key][-1] != "0" else "1")}
        lacking = {left: value for left, value in right.items() if left != key}
        assert fault(name, wrong), key
        assert fault(name, lacking), key
        for odd in ("", " ", "é\udcff", "v1", "v1,", "Basic", "Bearer", "9" * 5000, "²", "-1", "nan"):
            assert fault(name, {**right, key: odd}), (key, odd)


def test_an_empty_secret_opens_nothing() -> None:
    for name, source in SOURCES.items():
        assert fault_in(source, "", {"authorization": "Bearer ", "x-token": ""}, BODY, NOW), name


@pytest.mark.parametrize("name", ["grafana", "nagios", "standard-webhooks"])
def test_a_signature_covers_the_body_and_the_time(name: str) -> None:
    right = headers_of(name)
    assert fault(name, right, body=BODY + b" ")
    for skew in (WINDOW, -WINDOW):
        assert fault(name, right, now=NOW + skew) == ""
    for skew in (WINDOW + 1, -WINDOW - 1, 31_536_000.0):
        assert fault(name, right, now=NOW + skew)


def test_grafana_without_a_timestamp_signs_the_body_alone() -> None:
    plain = Source.model_validate(
        {"format": "grafana", "auth": {"hmac": "secret://grafana"}, "trust_domain": "own-grafana"}
    )
    given = "39a3c4b4a6ba9b0c2d8d0e3e5d4a4be8c9bbd7bbd3aa9b4b27b5a1e0a4bf34f7"
    assert fault_in(plain, "key", {"x-grafana-alerting-signature": given}, BODY, NOW)
    known = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    message = b"The quick brown fox jumps over the lazy dog"
    assert fault_in(plain, "key", {"x-grafana-alerting-signature": known}, message, NOW) == ""
    assert fault_in(plain, "key", {"x-grafana-alerting-signature": f"sha256={known.upper()}"}, message, NOW) == ""


def test_what_the_reference_library_signs_is_right() -> None:
    """Signed by the reference library, standardwebhooks 1.1.0."""
    body, signature = b'{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    sent = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330"}
    assert standard_signature(STANDARD_SECRET, sent["webhook-id"], "1614265330", body) == signature
    signed = {**sent, "webhook-signature": f"v1,Zm9v v2,xx {signature}"}
    assert fault("standard-webhooks", signed, body, now=1614265330.0) == ""
    assert fault("standard-webhooks", {**sent, "webhook-signature": "garbage"}, body, now=1614265330.0)
    assert fault("standard-webhooks", signed, body, secret="whsec_no base64", now=1614265330.0)
