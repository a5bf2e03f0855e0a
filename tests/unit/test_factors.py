"""Passwords are judged in a moment whatever they are, and a one-time code opens once, on whatever clock."""

import time

import pyotp
import pytest

from orchestrator.operations.people.factors import STEP, new_totp, password_hash, totp_used
from orchestrator.operations.request import RequestError

NOW = 1_800_000_015.0
PRESENT = int(NOW // STEP)


def judged_within(password: str) -> float:
    """Seconds of this thread's own time, the hash left out."""
    began = time.thread_time()
    try:
        password_hash(password)
    except RequestError:
        return time.thread_time() - began
    hashed = time.thread_time()
    password_hash("four words nobody said")
    return hashed - began - (time.thread_time() - hashed)


@pytest.mark.every_day("password0", "password2")
@pytest.mark.parametrize(
    "password",
    [
        ("4@8({[<369!1|7$5+%02" * 7)[:128],
        ("4@8({[<369!1|7$5+%02abcdefghijklmnopqrstuvwxyz" * 3)[:128],
        "1!|7+$5" * 18,
        "a" * 128,
        "11/11/1999" * 12,
    ],
)
def test_no_password_keeps_the_machine_busy(password: str) -> None:
    password_hash("four words nobody said")
    assert judged_within(password) < 1.0


def test_a_password_is_still_judged() -> None:
    for weak in ("p4$$w0rd!p4$$w0rd!", "passwordpassword", "aaaaaaaaaaaaaaaa", "iloveyou1234"):
        with pytest.raises(RequestError, match="can be guessed"):
            password_hash(weak)
    assert password_hash("tulipe orage 7 vélo marteau").startswith("$argon2id$")


def code(secret: str, interval: int) -> str:
    return pyotp.TOTP(secret).generate_otp(interval)


def test_a_code_counts_once_and_one_interval_around() -> None:
    secret = new_totp()
    assert [totp_used(secret, code(secret, PRESENT + off), 0, NOW) for off in (-2, -1, 0, 1, 2)] == [
        None,
        PRESENT - 1,
        PRESENT,
        PRESENT + 1,
        None,
    ]
    assert totp_used(secret, code(secret, PRESENT), PRESENT, NOW) is None
    assert totp_used(secret, code(secret, PRESENT), PRESENT + 1, NOW) is None


def test_a_clock_that_was_ahead_and_is_set_right_locks_nobody_out(caplog: pytest.LogCaptureFixture) -> None:
    secret = new_totp()
    last = PRESENT + 2 * 60 * 24
    assert totp_used(secret, code(secret, PRESENT - 1), last, NOW) is None
    assert totp_used(secret, code(secret, PRESENT + 1), last, NOW) is None
    found = totp_used(secret, code(secret, PRESENT), last, NOW)
    assert found == PRESENT
    assert "a clock was ahead" in caplog.text
    assert totp_used(secret, code(secret, PRESENT), found, NOW + 1) is None
    assert totp_used(secret, code(secret, PRESENT + 1), found, NOW) == PRESENT + 1
