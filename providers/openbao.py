"""Secrets kept in OpenBao (or HashiCorp Vault), read by its KV engine, version 2. Nothing is ever written there.

Where it is and who may read it is told by the service's own environment, never by an estate. A secret is the field
`value` at `bascule/SCOPE/NAME` of the mount.
"""

import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from providers.base import ProviderError, Secret

ANSWER_WITHIN = 3.0
"""Seconds for one question, connecting included."""
AWAY_FOR = 15.0
"""Seconds after a question without an answer in which no other is asked: a run asks for dozens of secrets."""
FOLDER = "bascule"
FIELD = "value"
_BODY_LIMIT = 256 * 1024


class Misconfigured(ProviderError):
    """The service's environment does not say how OpenBao is reached."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)


@dataclass(frozen=True, slots=True)
class OpenBaoSettings:
    """`token_file`, or `role_id` with `secret_id_file` (AppRole). `ca`: a PEM file; None means this machine's own."""

    address: str
    mount: str = "secret"
    token_file: Path | None = None
    role_id: str = ""
    secret_id_file: Path | None = None
    ca: Path | None = None


@dataclass(slots=True)
class OpenBao:
    """Asked from many threads. `now` is monotonic."""

    settings: OpenBaoSettings
    now: Callable[[], float] = time.monotonic
    name: str = "OpenBao"
    _http: httpx.Client = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)
    _token: Secret | None = field(init=False, repr=False, default=None)
    _until: float = field(init=False, default=0.0)
    _away: tuple[float, str] = field(init=False, default=(0.0, ""))

    def __post_init__(self) -> None:
        self._http = httpx.Client(
            base_url=self.settings.address,
            timeout=httpx.Timeout(ANSWER_WITHIN),
            verify=_trust(self.settings.ca),
            trust_env=False,
            follow_redirects=False,
        )

    def read(self, scope: str, name: str) -> str | None:
        """The newest version; None when there is none. Raises ProviderError, within seconds, for all else."""
        until, why = self._away
        if self.now() < until:
            raise ProviderError(why, permanent=False)
        path = f"/v1/{quote(self.settings.mount)}/data/{FOLDER}/{quote(scope, safe='')}/{quote(name, safe='')}"
        answer = self._asked(path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code == httpx.codes.FORBIDDEN:
            raise ProviderError(
                f"OpenBao lets nobody with Bascule's token read {FOLDER}/{scope}/{name} of {self.settings.mount}: "
                "renew the token, or correct its policy (docs/secrets.md).",
                permanent=True,
            )
        return self._value(answer, f"{FOLDER}/{scope}/{name}")

    def _asked(self, path: str) -> httpx.Response:
        """A token that was revoked since is got anew, once."""
        answer = self._send("GET", path, self._current())
        if answer.status_code == httpx.codes.FORBIDDEN and self._forget():
            answer = self._send("GET", path, self._current())
        return answer

    def _value(self, answer: httpx.Response, place: str) -> str:
        if answer.status_code != httpx.codes.OK:
            raise self._gone(f"answers {answer.status_code} (sealed, or in standby)")
        try:
            value = answer.json()["data"]["data"][FIELD]
        except (ValueError, KeyError, TypeError):
            value = None
        if not isinstance(value, str) or not value:
            raise ProviderError(
                f"What OpenBao has at {place} has no text in the field `{FIELD}`: write it there.", permanent=True
            )
        return value

    def _current(self) -> Secret:
        with self._lock:
            if self._token is None or self.now() >= self._until:
                self._token, lasts = self._signed_in()
                self._until = self.now() + lasts
            return self._token

    def _signed_in(self) -> tuple[Secret, float]:
        """A token and the seconds it is used for. A token's file is read again now and then: an agent renews it."""
        if self.settings.token_file is not None:
            return Secret(_text(self.settings.token_file, "BASCULE_OPENBAO_TOKEN_FILE")), 10.0
        assert self.settings.secret_id_file is not None
        secret_id = Secret(_text(self.settings.secret_id_file, "BASCULE_OPENBAO_SECRET_ID_FILE"))
        body = {"role_id": self.settings.role_id, "secret_id": secret_id.reveal()}
        answer = self._send("POST", "/v1/auth/approle/login", None, body)
        try:
            auth = answer.json()["auth"]
            return Secret(str(auth["client_token"])), float(auth["lease_duration"]) * 0.8
        except (ValueError, KeyError, TypeError) as error:
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                raise self._gone(f"answers {answer.status_code} (sealed, or in standby)") from error
            raise ProviderError(
                f"OpenBao does not take Bascule's AppRole ({answer.status_code}): make a new secret id, and write it "
                "into BASCULE_OPENBAO_SECRET_ID_FILE.",
                permanent=True,
            ) from error

    def _forget(self) -> bool:
        """Whether another token may be had."""
        with self._lock:
            self._token = None
        return True

    def _send(
        self, method: str, path: str, token: Secret | None, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        headers = {"X-Vault-Request": "true", **({"X-Vault-Token": token.reveal()} if token else {})}
        end = self.now() + ANSWER_WITHIN
        try:
            with self._http.stream(method, path, headers=headers, json=body) as answer:
                content = bytearray()
                for part in answer.iter_bytes():
                    content += part
                    if len(content) > _BODY_LIMIT or self.now() > end:
                        raise httpx.ReadTimeout("too long an answer")
        except httpx.TransportError as error:
            raise self._gone(f"does not answer ({type(error).__name__})") from error
        return httpx.Response(answer.status_code, content=bytes(content))

    def _gone(self, why: str) -> ProviderError:
        text = f"OpenBao at {self.settings.address} {why}."
        self._away = (self.now() + AWAY_FOR, text)
        return ProviderError(text, permanent=False)


def openbao_of(environment: Mapping[str, str]) -> OpenBao | None:
    """As the environment says; None where it names none. Raises Misconfigured."""
    address = environment.get("BASCULE_OPENBAO_ADDR", "").rstrip("/")
    if not address:
        return None
    _require_sealed(address)
    token, role = _file(environment, "TOKEN_FILE"), environment.get("BASCULE_OPENBAO_ROLE_ID", "")
    secret_id = _file(environment, "SECRET_ID_FILE")
    if (token is None) == (not (role and secret_id)):
        raise Misconfigured(
            "BASCULE_OPENBAO_ADDR needs either BASCULE_OPENBAO_TOKEN_FILE, or both BASCULE_OPENBAO_ROLE_ID and "
            "BASCULE_OPENBAO_SECRET_ID_FILE: set one of the two."
        )
    mount = environment.get("BASCULE_OPENBAO_MOUNT", "").strip("/") or "secret"
    return OpenBao(OpenBaoSettings(address, mount, token, role, secret_id, _file(environment, "CA")))


def _file(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(f"BASCULE_OPENBAO_{name}", "")
    return Path(value) if value else None


def _require_sealed(address: str) -> None:
    """A token and what it opens go over TLS; without it only within this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    try:
        inside = parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise Misconfigured(f"BASCULE_OPENBAO_ADDR is {address}: write https://HOST:8200.")


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"BASCULE_OPENBAO_CA can't be read ({ca}): name a PEM file.") from error


def _text(file: Path, variable: str) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ProviderError(
            f"{variable} can't be read ({type(error).__name__}): give {file} to the account of the service.",
            permanent=True,
        ) from error
