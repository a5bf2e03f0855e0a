"""Security keys and passkeys (WebAuthn level 2): enrolled, asked to sign in, asked to sign what is approved.

What a key signs in an approval is made from the digest, so that the signature shows later what was agreed to:
SHA-256 over a fixed word, the digest, and a number used once, each on a line of its own.
"""

import hashlib
import ipaddress
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from orchestrator.operations.request import Denied, RequestError
from orchestrator.store import sessions
from orchestrator.store.database import Connection, Database
from orchestrator.store.runs import Row

ANSWERED_WITHIN = 300.0
"""Seconds that a key has to answer a challenge."""
_WORD = "bascule approval v1"


class Crowded(RequestError):
    """More sign-ins are under way than can be."""

    code = "too_many"

    def __init__(self) -> None:
        super().__init__("Too many sign in at this moment: try again in a minute.")


@dataclass(frozen=True, slots=True)
class Asked:
    """`options`: for `navigator.credentials`, as JSON with Base64url; `challenge` is sent back with the answer."""

    challenge: str
    options: Mapping[str, Any]


class SecurityKeys:
    """`host`: the name in people's address bar; it becomes part of every key, and can't be changed later."""

    def __init__(self, database: Database, clock: Callable[[], float], host: str) -> None:
        self._database = database
        self._clock = clock
        self.host = relying_party(host)
        entity = PublicKeyCredentialRpEntity(name="Bascule", id=self.host)
        self._server = Fido2Server(entity, verify_origin=self._is_ours)

    def ask_to_enrol(self, person: str, title: str) -> Asked:
        value = secrets.token_bytes(32)
        user = PublicKeyCredentialUserEntity(id=_handle(person), name=person, display_name=title or person)
        with self._database.write() as conn:
            known = [_descriptor(row) for row in sessions.keys_of(conn, person)]
            options, _ = self._server.register_begin(
                user, known, ResidentKeyRequirement.PREFERRED, UserVerificationRequirement.REQUIRED, challenge=value
            )
            return self._asked(conn, person, "enrol", websafe_encode(value), dict(options))

    def enrol(self, conn: Connection, person: str, challenge: str, answer: Mapping[str, Any], label: str) -> None:
        """Keep a key. Raises Denied when the answer is not to this challenge, for this person and place."""
        row = self._answered(conn, challenge, person, "enrol")
        try:
            made = self._server.register_complete(self._state(websafe_decode(row.value)), dict(answer))
        except (ValueError, KeyError, TypeError) as error:
            raise _refused() from error
        data = made.credential_data
        assert data is not None
        values = {"id": websafe_encode(data.credential_id), "person": person, "label": label, "data": bytes(data)}
        sessions.add_key(conn, {**values, "counter": made.counter, "created_at": self._clock()})

    def ask_to_sign_in(self, person: str) -> Asked:
        """Says nothing of whether there is such a person."""
        return self._ask(person, "sign-in", secrets.token_bytes(32), "")

    def ask_to_approve(self, person: str, digest: str) -> Asked:
        nonce = secrets.token_hex(16)
        return self._ask(person, _approves(digest), approval_challenge(digest, nonce), nonce)

    def signed_in(self, conn: Connection, person: str, challenge: str, answer: Mapping[str, Any]) -> None:
        """Raises Denied."""
        row = self._answered(conn, challenge, person, "sign-in")
        self._check(conn, person, websafe_decode(row.value), answer)

    def approved(
        self, conn: Connection, person: str, digest: str, challenge: str, answer: Mapping[str, Any]
    ) -> dict[str, str]:
        """What shows later that this key signed this digest. Raises Denied."""
        row = self._answered(conn, challenge, person, _approves(digest))
        key = self._check(conn, person, approval_challenge(digest, row.value), answer)
        response = AuthenticationResponse.from_dict(dict(answer)).response
        return {
            "key": websafe_encode(key.credential_id),
            "public_key": websafe_encode(bytes(key)),
            "nonce": row.value,
            "client_data": websafe_encode(response.client_data),
            "authenticator_data": websafe_encode(response.authenticator_data),
            "signature": websafe_encode(response.signature),
        }

    def _ask(self, person: str, purpose: str, value: bytes, nonce: str) -> Asked:
        with self._database.write() as conn:
            known = [_descriptor(row) for row in sessions.keys_of(conn, person)]
            options, _ = self._server.authenticate_begin(
                known or [_stranger(person)], UserVerificationRequirement.REQUIRED, challenge=value
            )
            kept = bool(known)  # nothing answers for who has no key: asking for them fills no table
            return self._asked(conn, person, purpose, nonce or websafe_encode(value), dict(options), kept=kept)

    def _asked(
        self,
        conn: Connection,
        person: str,
        purpose: str,
        value: str,
        options: dict[str, Any],
        *,
        kept: bool = True,
    ) -> Asked:
        secret, now = secrets.token_urlsafe(32), self._clock()
        until = now + ANSWERED_WITHIN
        if kept and not sessions.challenge(conn, secret, person, purpose, value, until, now):
            raise Crowded
        return Asked(secret, json.loads(json.dumps(options, default=dict)))

    def _answered(self, conn: Connection, challenge: str, person: str, purpose: str) -> Row:
        row = sessions.use_challenge(conn, challenge, self._clock())
        if row is None or (row.person, row.purpose) != (person, purpose):
            raise _refused()
        return row

    def _check(self, conn: Connection, person: str, value: bytes, answer: Mapping[str, Any]) -> AttestedCredentialData:
        rows = {row.id: row for row in sessions.keys_of(conn, person)}
        known = [AttestedCredentialData(row.data) for row in rows.values()]
        try:
            key = self._server.authenticate_complete(self._state(value), known, dict(answer))
            counter = AuthenticationResponse.from_dict(dict(answer)).response.authenticator_data.counter
        except (ValueError, KeyError, TypeError) as error:
            raise _refused() from error
        row = rows[websafe_encode(key.credential_id)]
        if (counter or row.counter) and counter <= row.counter:  # WebAuthn §7.2, step 22
            raise Denied("This security key counts backwards, as a copy of it would: remove it, and enrol another.")
        sessions.used_key(conn, row.id, counter, self._clock())
        return key

    def _state(self, value: bytes) -> dict[str, Any]:
        return {"challenge": websafe_encode(value), "user_verification": UserVerificationRequirement.REQUIRED}

    def _is_ours(self, origin: str) -> bool:
        parts = urlsplit(origin)
        secure = parts.scheme == "https" or (parts.scheme == "http" and self.host == "localhost")
        return secure and parts.hostname == self.host


def approval_challenge(digest: str, nonce: str) -> bytes:
    """What a key signs when its owner approves this digest."""
    return hashlib.sha256(f"{_WORD}\n{digest}\n{nonce}\n".encode()).digest()


def _approves(subject: str) -> str:
    """The purpose of a challenge; what is approved may be longer than a column."""
    return f"approve:{hashlib.sha256(subject.encode()).hexdigest()}"


def relying_party(host: str) -> str:
    """The name that keys are bound to (WebAuthn §5.1.2): an address is none, so this machine's own is `localhost`."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower()
    return "localhost"


def _handle(person: str) -> bytes:
    return hashlib.sha256(person.encode()).digest()


def _descriptor(row: Row) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=websafe_decode(row.id))


def _stranger(person: str) -> PublicKeyCredentialDescriptor:
    """For who has no key: the same made-up one each time, so that asking tells nobody who exists."""
    made_up = hashlib.sha256(b"bascule no key\0" + person.encode()).digest()
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=made_up)


def _refused() -> RequestError:
    return Denied("The security key's answer is not valid here: try again with the key that you enrolled here.")
