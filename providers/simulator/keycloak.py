"""Keycloak's OpenID Connect as far as a check asks for it: discovery, keys, and tokens for a client of its own.

Paths, fields and refusals: https://www.keycloak.org/securing-apps/oidc-layers, and github.com/keycloak/keycloak
services/…/protocol/oidc (`invalid_client`: "Invalid client or Invalid client credentials"; an unknown realm:
"Realm does not exist"). Tokens are signed with RS256, and a second key is for encryption only, as a realm has it.
"""

import base64
import binascii
import hmac
import json
import time
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from providers.simulator.api_request import fields, json_answer
from providers.simulator.faults import Fault
from providers.simulator.http_service import Request, Response

LIFESPAN = 300
"""Seconds that an access token is valid."""


class Keycloak:
    """One realm with one confidential client that has a service account. Below `base`, such as https://id.example."""

    def __init__(
        self,
        base: str,
        realm: str,
        client: str,
        secret: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = f"{base}/realms/{realm}"
        self._client = client
        self._secret = secret
        self._clock = clock
        self._keys = dict(_first_keys())

    def handle(self, request: Request) -> Response:
        path = request.path
        own = f"/realms/{self.issuer.rpartition('/')[2]}"
        match request.method, path.removeprefix(own):
            case _ if not path.startswith(f"{own}/"):
                return json_answer(404, {"error": "Realm does not exist"})
            case "GET", "/.well-known/openid-configuration":
                return json_answer(200, self._description())
            case "GET", "/protocol/openid-connect/certs":
                return json_answer(200, {"keys": [_jwk(use, key) for use, key in self._keys.items()]})
            case "POST", "/protocol/openid-connect/token":
                return self._token(request)
        return json_answer(404, {"error": "HTTP 404 Not Found"})

    def refusal(self, fault: Fault, _request: Request) -> Response:
        return json_answer(fault.status, {"error": "unknown_error"})

    def in_maintenance(self, _request: Request) -> Response:
        """What its health answers while its database is away, and what a proxy before it hands out."""
        return json_answer(
            503, {"status": "DOWN", "checks": [{"name": "Keycloak database connections", "status": "DOWN"}]}
        )

    def read_only(self, request: Request) -> Response:
        """A client whose service account is switched off."""
        if request.method != "GET":
            return _error(401, "unauthorized_client", "Client not enabled to retrieve service account")
        return self.handle(request)

    def rotate(self) -> None:
        """A new signing key; tokens of the old one are worth nothing any more."""
        self._keys["sig"] = _new_key()

    def signed(self, claims: dict[str, Any]) -> str:
        """A token with these claims."""
        key = self._keys["sig"]
        header = {"alg": "RS256", "typ": "JWT", "kid": _kid(key)}
        signed = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        return f"{signed}.{_encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def _token(self, request: Request) -> Response:
        asked = fields(request)
        if not self._is_client(request.headers.get("Authorization", ""), asked):
            return _error(401, "invalid_client", "Invalid client or Invalid client credentials")
        if asked.get("grant_type") != "client_credentials":
            return _error(400, "unsupported_grant_type", "Unsupported grant_type")
        now = int(self._clock())
        claims = {
            "exp": now + LIFESPAN,
            "iat": now,
            "jti": f"trrtcc:{uuid.uuid4()}",
            "iss": self.issuer,
            "sub": str(uuid.uuid5(uuid.NAMESPACE_URL, self._client)),
            "typ": "Bearer",
            "azp": self._client,
            "scope": "profile email",
        }
        return json_answer(
            200,
            {
                "access_token": self.signed(claims),
                "expires_in": LIFESPAN,
                "refresh_expires_in": 0,
                "token_type": "Bearer",
                "not-before-policy": 0,
                "scope": "profile email",
            },
            {"Cache-Control": "no-store"},
        )

    def _is_client(self, header: str, asked: dict[str, Any]) -> bool:
        """By HTTP Basic, each part encoded as in a form (RFC 6749 §2.3.1), or by the form itself."""
        client, secret = str(asked.get("client_id", "")), str(asked.get("client_secret", ""))
        if header.startswith("Basic "):
            try:
                pair = base64.b64decode(header.removeprefix("Basic "), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return False
            client, _, secret = (unquote_plus(part) for part in pair.partition(":"))
        return client == self._client and hmac.compare_digest(secret.encode(), self._secret.encode())

    def _description(self) -> dict[str, Any]:
        oidc = f"{self.issuer}/protocol/openid-connect"
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{oidc}/auth",
            "token_endpoint": f"{oidc}/token",
            "introspection_endpoint": f"{oidc}/token/introspect",
            "userinfo_endpoint": f"{oidc}/userinfo",
            "end_session_endpoint": f"{oidc}/logout",
            "jwks_uri": f"{oidc}/certs",
            "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        }


@cache
def _first_keys() -> dict[str, rsa.RSAPrivateKey]:
    """The keys that every realm of this process begins with: making them takes a while."""
    return {"sig": _new_key(), "enc": _new_key()}


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _kid(key: rsa.RSAPrivateKey) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(_number(key.public_key().public_numbers().n))
    return _encoded(digest.finalize())


def _jwk(use: str, key: rsa.RSAPrivateKey) -> dict[str, str]:
    public = key.public_key().public_numbers()
    algorithm = "RS256" if use == "sig" else "RSA-OAEP"
    numbers = {"n": _encoded(_number(public.n)), "e": _encoded(_number(public.e))}
    return {"kid": _kid(key), "kty": "RSA", "alg": algorithm, "use": use, **numbers}


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _error(status: int, kind: str, words: str) -> Response:
    return json_answer(status, {"error": kind, "error_description": words})
