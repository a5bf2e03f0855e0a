"""Passwords and one-time codes: how they are kept, and whether one is right."""

import logging
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import argon2
import pyotp

from orchestrator.operations.request import RequestError

LEAST = 12
MOST = 128
"""Characters of a password."""
LEAST_BESIDES = 8
"""Of these, so many that are of no name."""
GUESSES = 3
"""Of zxcvbn's four levels: safe from somebody who has the hashes and a good machine for a while."""
_LOOKED_AT = 64
"""Characters of a password by which it is judged; what comes after them only makes it better."""
_SIGNS = frozenset("4@8({[<369!1|7$5+%02")
_SIGNS_AT_MOST = 6
"""Signs that zxcvbn takes for letters, and how many different ones it is given: each doubles the time that it takes."""
STEP = 30
"""Seconds that one code stands for (RFC 6238)."""

log = logging.getLogger("bascule.people")

_HASHER = argon2.PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
"""Argon2id with 32 MiB: above what OWASP's cheat sheet on password storage asks for."""
_NOBODYS = _HASHER.hash(secrets.token_hex(16))
_AT_ONCE = threading.BoundedSemaphore(2)
"""Hashes at the same time: a crowd that guesses waits, instead of taking the memory."""
WAIT_AT_MOST = 16
_PLACES = threading.BoundedSemaphore(WAIT_AT_MOST)
"""Of those that are hashed or wait for it: who comes after them is sent away, or a crowd would take every thread."""


class Crowded(RequestError):
    """Many sign in at once; those who do something else are still served."""

    code = "busy"

    def __init__(self) -> None:
        super().__init__("Many sign in at this moment: try again soon, or sign in with a security key.")


@contextmanager
def _place() -> Iterator[None]:
    """Raises Crowded."""
    if not _PLACES.acquire(blocking=False):
        raise Crowded
    try:
        with _AT_ONCE:
            yield
    finally:
        _PLACES.release()


class Sealing(Protocol):
    """Keeps a text so that the database alone does not tell it; `label` says whose it is, and is part of the seal."""

    def seal(self, label: str, text: str) -> str: ...

    def open(self, label: str, sealed: str) -> str: ...


def password_hash(password: str, *about: str) -> str:
    """What is kept of a password. `about`: names that it must not be made of. Raises RequestError if it is weak."""
    if not LEAST <= len(password) <= MOST:
        raise RequestError(f"A password has {LEAST} to {MOST} characters: take four or five words that nobody said.")
    from zxcvbn import zxcvbn  # its lists of words are loaded when somebody chooses a password, and not before

    if len(_besides(password, ("bascule", *about))) < LEAST_BESIDES:
        raise RequestError("This password is made of names that everybody knows: take four or five other words.")
    found = zxcvbn(_judged(password), user_inputs=["bascule", *about])
    if found["score"] < GUESSES:
        raise RequestError("This password can be guessed: take four or five words that do not belong together.")
    with _place():
        return _HASHER.hash(password)


def _judged(password: str) -> str:
    """What guesses at a password are counted by, in a fraction of a second whatever it is."""
    looked_at = password[:_LOOKED_AT]
    found = list(dict.fromkeys(sign for sign in looked_at if sign in _SIGNS))
    return looked_at.translate({ord(sign): "~" for sign in found[_SIGNS_AT_MOST:]})


def _besides(password: str, names: Iterable[str]) -> str:
    """What is left of a password without the names that it must not be made of."""
    left = password.casefold()
    for name in sorted((one.casefold() for one in names if one), key=len, reverse=True):
        left = left.replace(name, "")
    return left


def is_password(kept: str | None, given: str) -> bool:
    """Takes as long for nobody's password as for anybody's. Raises Crowded."""
    with _place():
        try:
            _HASHER.verify(kept or _NOBODYS, given[: MOST + 1])
        except argon2.exceptions.VerificationError:
            return False
    return kept is not None


def new_totp() -> str:
    """A secret of 160 bits, in Base32, as authenticator apps take it."""
    return pyotp.random_base32(32)


def totp_link(secret: str, name: str) -> str:
    """What the square code of an enrolment says (`otpauth://`)."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Bascule")


def totp_used(secret: str, code: str, last: int, now: float) -> int | None:
    """The number of the interval whose code this is; None if it is of none near now, or of one used before.

    One interval of drift is allowed on either side. `last`: the interval of the code that was used last. Where that is
    still to come, a clock was wrong when it was kept, and would let nobody in until then: the present code counts, and
    is the last one from then on.
    """
    code = "".join(code.split())
    present = int(now // STEP)
    ahead = last > present + 1
    totp = pyotp.TOTP(secret)
    for interval in (present,) if ahead else (present, present - 1, present + 1):
        fresh = ahead or interval > last
        if fresh and secrets.compare_digest(totp.generate_otp(interval).encode(), code.encode()):
            if ahead:
                log.warning("a one-time code was used %d s from now: a clock was ahead", (last - present) * STEP)
            return interval
    return None
