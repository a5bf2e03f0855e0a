"""Signing in through an identity provider, over real HTTPS: it lets people look, and approves nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, KeySet

from orchestrator.app import Bascule, Settings
from orchestrator.domain.people.role import Role
from orchestrator.store import people
from providers.oidc import IdentityProvider
from tests.identity_provider import CLIENT, SECRET, OpenIdProvider, openid_provider
from tests.integration.service_fixture import answering
from tests.known_people import enrol


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    with openid_provider(tmp_path_factory.mktemp("provider")) as found:
        yield found


@pytest.fixture(scope="module")
def service(provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bascule, str]]:
    identity = IdentityProvider(provider.issuer, CLIENT, SECRET, str(provider.ca))
    bascule = Bascule(Settings(tmp_path_factory.mktemp("data"), "", identity=identity))
    enrol(bascule.database, "anne", Role.VIEWER, Role.APPROVER, Role.ADMIN)
    with bascule.database.write() as conn:
        people.change(conn, "anne", subject=f"{provider.issuer} anne-at-work")
    try:
        with answering(bascule) as url:
            provider.back = f"{url}/oidc/return"
            yield bascule, url
    finally:
        bascule.stop()


@pytest.fixture(autouse=True)
def as_it_should_be(provider: OpenIdProvider) -> Iterator[None]:
    before = replace(provider)
    yield
    provider.subject, provider.claims, provider.published = before.subject, {}, None


def browser(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, trust_env=False)


def went(one: httpx.Client, provider: OpenIdProvider) -> httpx.Response:
    """To the provider and back, as a browser goes."""
    begun = one.get("/oidc/start")
    assert begun.status_code == 303, begun.text
    assert begun.headers["location"].startswith(f"{provider.issuer}/authorize?")
    with httpx.Client(verify=str(provider.ca), trust_env=False) as there:
        back = there.get(begun.headers["location"])
    return one.get(back.headers["location"])


def test_somebody_who_is_linked_looks_and_does_not_approve(
    service: tuple[Bascule, str], provider: OpenIdProvider
) -> None:
    with browser(service[1]) as one:
        assert "/oidc/start" in one.get("/sign-in").text
        back = went(one, provider)
        assert (back.status_code, back.headers["location"]) == (303, "/")
        assert "HttpOnly" in back.headers["set-cookie"]
        assert "SameSite=strict" in back.headers["set-cookie"]
        said = one.get("/api/v1/session").json()
        assert (said["name"], said["proof"]) == ("anne", "oidc")
        assert one.get("/api/v1/runs").status_code == 200
        refused = one.get("/api/v1/people")
        assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_needed")


def test_somebody_who_is_not_linked_is_nobody(service: tuple[Bascule, str], provider: OpenIdProvider) -> None:
    provider.subject = "stranger"
    with browser(service[1]) as one:
        back = went(one, provider)
        assert back.status_code == 401
        assert "bascule people link" in back.text
        assert one.get("/api/v1/session").status_code == 401


@pytest.mark.every_day("nonce", "audience", "expired")
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://another.example"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"nonce": "of another sign-in"},
        {"exp": 1},
        {"sub": None},
    ],
    ids=["issuer", "audience", "party", "nonce", "expired", "subject"],
)
def test_a_token_that_is_not_for_this_sign_in_opens_nothing(
    service: tuple[Bascule, str], provider: OpenIdProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    with browser(service[1]) as one:
        assert went(one, provider).status_code == 401
        assert one.get("/api/v1/session").status_code == 401


def test_a_token_signed_by_somebody_else_opens_nothing(service: tuple[Bascule, str], provider: OpenIdProvider) -> None:
    provider.published = KeySet([ECKey.generate_key("P-256", {"kid": provider.key.kid or ""})])
    with browser(service[1]) as one:
        assert went(one, provider).status_code == 401


def test_an_answer_belongs_to_the_browser_that_asked_and_counts_once(
    service: tuple[Bascule, str], provider: OpenIdProvider
) -> None:
    with browser(service[1]) as victim, browser(service[1]) as other:
        begun = other.get("/oidc/start")
        with httpx.Client(verify=str(provider.ca), trust_env=False) as there:
            back = there.get(begun.headers["location"]).headers["location"]
        assert victim.get(back).status_code == 401, "somebody else's sign-in is not put on them"
        assert other.get(back).status_code == 303
        assert other.get(back).status_code == 401


def test_a_provider_that_is_away_is_said_and_passwords_remain(tmp_path: Path) -> None:
    identity = IdentityProvider("https://127.0.0.1:9", CLIENT, SECRET)
    bascule = Bascule(Settings(tmp_path / "data", "", identity=identity))
    try:
        with answering(bascule) as url, browser(url) as one:
            found = one.get("/oidc/start")
            assert found.status_code == 401
            assert "does not answer" in found.text
            assert 'name="password"' in found.text
    finally:
        bascule.stop()
