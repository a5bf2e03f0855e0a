"""Signing in at the organisation's identity provider: OpenID Connect's authorization code flow with PKCE.

Sources: OpenID Connect Core 1.0 §3.1, Discovery 1.0 §4, RFC 7636 (S256), RFC 9207 (`iss` of the answer).
"""

import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from requests import RequestException

from providers.base import ProviderError

ANSWERS_WITHIN = 10.0
"""Seconds for each call."""
_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Only asymmetric ones: nobody who knows the client's secret makes tokens."""
_LEEWAY = 120
"""Seconds that the two clocks may differ."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in under way: where the browser goes, and what must come back. All of it is kept until then."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """`issuer`: an https address, exactly as the provider writes it. `ca`: a PEM file of its own authority."""

    issuer: str
    client: str
    secret: str = field(repr=False)
    ca: str = ""

    def begin(self, back: str) -> Begun:
        """`back`: the address that the browser comes back to. Raises ProviderError."""
        found = self._discovered()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with self._session(back) as session:
            url, _ = session.create_authorization_url(
                str(found["authorization_endpoint"]), state=state, code_verifier=verifier, nonce=nonce
            )
        return Begun(url, state, nonce, verifier)

    def finish(self, back: str, code: str, nonce: str, verifier: str) -> str:
        """Who signed in: the issuer and the subject, which never change. Raises ProviderError."""
        found = self._discovered()
        try:
            with self._session(back) as session:
                token = session.fetch_token(
                    str(found["token_endpoint"]), code=code, code_verifier=verifier, timeout=ANSWERS_WITHIN
                )
                keys = session.get(
                    str(found["jwks_uri"]), withhold_token=True, timeout=ANSWERS_WITHIN, allow_redirects=False
                ).json()
            said = jwt.decode(str(token.get("id_token", "")), KeySet.import_key_set(keys), _ALGORITHMS).claims
            self._check(said, nonce)
        except (AuthlibBaseError, JoseError, RequestException, ValueError, KeyError, ssl.SSLError) as error:
            raise ProviderError(
                f"The identity provider's answer is not valid ({type(error).__name__}): sign in again, or by password.",
                permanent=True,
            ) from error
        return f"{self.issuer} {said['sub']}"

    def _check(self, said: Mapping[str, Any], nonce: str) -> None:
        """OpenID Connect Core §3.1.3.7. Raises JoseError, ValueError."""
        required: dict[str, Any] = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.client},
            "sub": {"essential": True},
            "exp": {"essential": True},
            "iat": {"essential": True},
            "nonce": {"essential": True, "value": nonce},
        }
        jwt.JWTClaimsRegistry(now=int(time.time()), leeway=_LEEWAY, **required).validate(dict(said))
        if isinstance(said["aud"], list) and len(said["aud"]) > 1 and said.get("azp") != self.client:
            raise ValueError("meant for another client")

    def _discovered(self) -> Mapping[str, Any]:
        address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            with self._session("") as session:
                answer = session.get(address, withhold_token=True, timeout=ANSWERS_WITHIN, allow_redirects=False)
                found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        except (RequestException, ValueError) as error:
            raise ProviderError(
                f"The identity provider {self.issuer} does not answer ({type(error).__name__}): sign in by password.",
                permanent=False,
            ) from error
        places = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != self.issuer or not all(
            str(found.get(one, "")).startswith("https://") for one in places
        ):
            raise ProviderError(
                f"{address} does not describe the issuer {self.issuer}: correct its name.", permanent=True
            )
        return found

    def _session(self, back: str) -> OAuth2Session:
        session = OAuth2Session(
            self.client, self.secret, scope="openid", redirect_uri=back or None, code_challenge_method="S256"
        )
        session.trust_env = False
        session.verify = self.ca or True
        return session
