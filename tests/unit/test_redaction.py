"""What was revealed is kept out of errors, logs, tracebacks, events and answers; the test can fail."""

import base64
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from orchestrator.web.problem import problem
from providers import redaction
from providers.base import ProviderError, Secret
from providers.redaction import HIDDEN, Known, install_in_logs

CANARY = "canary-9f1c7d"
PEM = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw\nBCIEIAbCdEf\n-----END KEY-----\n"


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """A logger of its own, with the plainest handler there is."""
    made, hooks = logging.getLogRecordFactory(), (sys.excepthook, threading.excepthook)
    logging.setLogRecordFactory(logging.LogRecord)  # another test of this process may have begun a service
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("test-redaction")
    logger.addHandler(handler)
    logger.propagate = False
    yield stream
    logger.removeHandler(handler)
    logging.setLogRecordFactory(made)
    sys.excepthook, threading.excepthook = hooks


def leak() -> None:
    """As a library would: in the message, in arguments, in an exception and in what caused it."""
    log = logging.getLogger("test-redaction")
    log.warning("token %s was sent, as %r", CANARY, {"key": CANARY})
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ValueError(f"no {CANARY}") from error
    except ValueError:
        log.exception("it failed")


def test_logs_and_tracebacks_are_without_it(said: io.StringIO) -> None:
    install_in_logs()
    install_in_logs()
    Secret(CANARY).reveal()
    leak()
    assert CANARY not in said.getvalue()
    assert f"token {HIDDEN} was sent" in said.getvalue()
    assert f"ValueError: no {HIDDEN}" in said.getvalue()


def test_without_it_the_canary_is_found(said: io.StringIO) -> None:
    Secret(CANARY).reveal()
    leak()
    assert said.getvalue().count(CANARY) >= 4


def test_what_nobody_caught_is_without_it(said: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    install_in_logs()
    Secret(CANARY).reveal()

    def fail() -> None:
        raise RuntimeError(CANARY)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    told = capsys.readouterr().err
    assert f"RuntimeError: {HIDDEN}" in told
    assert CANARY not in told


def test_a_record_that_cannot_be_formed_stays_the_handlers_matter(said: io.StringIO) -> None:
    install_in_logs()
    logging.getLogger("test-redaction").warning("%d", 5)
    assert said.getvalue() == "5\n"


def test_errors_and_answers_are_without_it() -> None:
    Secret(CANARY).reveal()
    error = ProviderError(f"the cloud said {CANARY}", permanent=True)
    assert (error.message, str(error)) == (f"the cloud said {HIDDEN}",) * 2
    assert problem(409, f"no {CANARY}").detail == f"no {HIDDEN}"


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(CANARY)
    assert CANARY not in f"{secret} {secret!r} {[secret]} {secret:}"
    with pytest.raises(TypeError):
        json.dumps(secret)


@pytest.mark.parametrize(
    "form",
    [
        PEM,
        "MC4CAQAwBQYDK2Vw",
        json.dumps(PEM),
        repr(PEM),
        base64.b64encode(PEM.encode()).decode(),
    ],
)
def test_every_form_is_known(form: str) -> None:
    known = Known()
    known.add(PEM)
    assert "MC4CAQ" not in known(f"<{form}>")
    assert base64.b64encode(PEM.encode()).decode() not in known(form)
    assert known("-----BEGIN CERTIFICATE-----") == "-----BEGIN CERTIFICATE-----"


def test_words_stay_and_data_are_taken_more_carefully() -> None:
    known = Known()
    for value in ("abcde", "portal", "0123456789ab"):
        known.add(value)
    assert known("abcde portal 0123456789ab") == f"abcde {HIDDEN} {HIDDEN}"
    assert known.within({"name": "portal", "0123456789ab": ["x0123456789ab", 7, None, True]}) == {
        "name": "portal",
        "0123456789ab": [f"x{HIDDEN}", 7, None, True],
    }


def test_words_within_a_secret_address_change_no_data() -> None:
    known = Known()
    token = "a1b2c3d4e5f6a7b8c9d0e1f2"
    address = f"https://hooks.example/IncomingWebhook/notifications/{token}?channel=notifications"
    known.add(address)
    data = {"notifications": 1, "IncomingWebhook": "x", "where": ["notifications", "IncomingWebhook"]}
    assert known.within(data) == data
    assert known.within({"said": f"no {token}", "to": address}) == {"said": f"no {HIDDEN}", "to": HIDDEN}
    assert "IncomingWebhook" not in known("POST /IncomingWebhook/notifications"), "text for people is another matter"


def test_the_longest_goes_first_and_the_oldest_is_forgotten() -> None:
    known = Known(most=2)
    known.add("secret-1")
    known.add("secret-12")
    assert known("secret-12") == HIDDEN
    known.add("secret-1")
    known.add("another-one")
    assert known("secret-1 another-one") == f"{HIDDEN} {HIDDEN}"
    assert known("secret-12") == f"{HIDDEN}2"


@pytest.mark.parametrize(
    ("url", "text", "left"),
    [
        (
            "json://127.0.0.1:80/TokenOne/x?key=TokenTwo1",
            "/TokenOne/x?key=TokenTwo1 at 127.0.0.1:80",
            "at 127.0.0.1:80",
        ),
        (
            "mailto://user:pass-word@mx.town.example/",
            "user pass-word at mx.town.example",
            "user ••• at mx.town.example",
        ),
        ("slack://TokenAAA/TokenBBB/%23channel", "TokenAAA and TokenBBB", "••• and •••"),
    ],
)
def test_the_parts_of_an_address_that_is_a_secret(url: str, text: str, left: str) -> None:
    known = Known()
    known.add(url)
    assert "Token" not in known(text)
    assert left in known(text)


def test_the_service_s_own_is_one() -> None:
    Secret(CANARY).reveal()
    assert redaction.redact(CANARY) == HIDDEN
