"""An identity provider that describes itself, publishes its keys and signs with them.

OpenID Connect Discovery 1.0 §4: the document names the very issuer that was asked. With a client, a
token is asked for by its credentials (RFC 6749 §4.4) and its signature checked with the published keys.
"""

from collections.abc import Mapping
from typing import Any

from providers.base import ProviderError, Secret
from providers.probes.api_answer import refusal, require
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.jws import Jwk, UnverifiedError, signing_keys, verified_claims
from providers.probes.web_answer import Answer
from providers.probes.web_call import call, client
from providers.wants import OidcProbe

WHAT = "The identity provider"
REMEDY = "check `client_id` and `client_secret`, and that the client has a service account"
LEEWAY = 60.0
"""Seconds by which two clocks may differ."""


class OidcCheck(Check[OidcProbe]):
    """`probe.oidc`. Outputs: `token_endpoint`, `keys` (how many can check signatures)."""

    def _look(self, want: OidcProbe, attempt: Attempt) -> Seen:
        described = _discovered(want, attempt)
        keys = _keys(_address(described, "jwks_uri", want), attempt)
        endpoint = _address(described, "token_endpoint", want)
        told = f"{want.issuer} publishes {len(keys)} signing keys"
        if want.client_id is not None:
            _require_signed(_granted(want, endpoint, described, attempt), keys, want, attempt)
            told = f"{told}, and signs a token for {want.client_id} with one of them"
        return Seen(f"{told}.", {"token_endpoint": endpoint, "keys": len(keys)})


def _discovered(want: OidcProbe, attempt: Attempt) -> Mapping[str, Any]:
    """The issuer's description. Raises DoesNotHoldError when it is another issuer's."""
    answer = _get(attempt, f"{want.issuer.rstrip('/')}/.well-known/openid-configuration")
    described = answer.json()
    if described.get("issuer") != want.issuer:
        raise DoesNotHoldError(
            f"{answer.at} describes the issuer {str(described.get('issuer'))[:200]!r}; expected exactly "
            f"{want.issuer!r}: correct `issuer`, or the provider's own host name."
        )
    return described


def _keys(url: str, attempt: Attempt) -> list[Jwk]:
    answer = _get(attempt, url)
    listed = answer.json().get("keys")
    keys = signing_keys([key for key in listed if isinstance(key, dict)]) if isinstance(listed, list) else []
    if not keys:
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected at least one signing key.")
    return keys


def _address(described: Mapping[str, Any], name: str, want: OidcProbe) -> str:
    """An endpoint of the description; over https unless the issuer itself is not."""
    url = described.get(name)
    if not isinstance(url, str) or not url.startswith(("https://", f"{want.issuer.partition(':')[0]}://")):
        raise DoesNotHoldError(f"{want.issuer} gives {str(url)[:200]!r} as its `{name}`; expected a URL with https.")
    return url


def _granted(want: OidcProbe, endpoint: str, described: Mapping[str, Any], attempt: Attempt) -> str:
    """A token of the client's own. Raises ProviderError(permanent) when the client is refused."""
    methods = described.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if "client_secret_basic" not in methods:
        raise ProviderError(
            f"{want.issuer} does not take client_secret_basic; let this client sign in so, or check without a client.",
            permanent=True,
        )
    headers: dict[str, str | Secret] = {
        "Authorization": client(attempt.context, str(want.client_id), str(want.client_secret)),
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    answer = call(attempt, "POST", endpoint, headers=headers, body=b"grant_type=client_credentials")
    if answer.status == 400 and "error" in answer.json():  # RFC 6749 §5.2: the provider's own refusal
        raise ProviderError(
            f"{want.issuer} gives {want.client_id} no token ({answer.json()['error']}); {REMEDY}.",
            permanent=True,
            said=refusal(answer),
        )
    token = require(answer, WHAT, 200, remedy=REMEDY).json().get("access_token")
    if not isinstance(token, str) or not token:
        raise DoesNotHoldError(f"{answer.at} answered without an `access_token`; expected a token.")
    return token


def _require_signed(token: str, keys: list[Jwk], want: OidcProbe, attempt: Attempt) -> None:
    """Raises DoesNotHoldError unless the token is this issuer's, signed with a published key, and not at its end."""
    try:
        claims = verified_claims(token, keys)
    except UnverifiedError as error:
        raise DoesNotHoldError(f"The token that {want.issuer} granted can't be verified: {error}.") from error
    if claims.get("iss") != want.issuer:
        raise DoesNotHoldError(
            f"The token that {want.issuer} granted names the issuer {str(claims.get('iss'))[:200]!r}."
        )
    ends = claims.get("exp")
    if not isinstance(ends, int | float) or ends + LEEWAY < attempt.context.clock():
        raise DoesNotHoldError(f"The token that {want.issuer} granted is over already; compare the clocks.")


def _get(attempt: Attempt, url: str) -> Answer:
    answer = call(attempt, "GET", url, headers={"Accept": "application/json"})
    return require(answer, WHAT, 200, remedy="let everybody read it")
