"""The check of Mastodon's API, announcements and profiles, at a real server that speaks a part of that API."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, Presence, ProviderError, Secret, Tag
from providers.probes.mastodon import MastodonCheck
from providers.probes.nodeinfo import NodeInfoCheck
from providers.social.post import MastodonPost
from providers.social.profile import MastodonProfile
from providers.wants import MastodonProbe, NodeInfoProbe, Post, Profile, ProfileField, Words
from tests.contract.suite import Case, ProvableContract, ProviderContract, quiet, refused
from tests.dns_servers import relayed
from tests.snac_server import USER, Snac, snac_server

TAG = Tag("2026-11-25-cutoff", "announce/snac")
POST = Post(account="town", text=Words(fr="La mairie déménage\nses <services>.", en="Our services move & all is well."))
PROFILE = Profile(account="town", fields=[ProfileField(name="Site", value="https://www.valbourg.example")])


@pytest.fixture(scope="module")
def snac(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snac]:
    with snac_server(tmp_path_factory.mktemp("snac")) as server:
        yield server


def context(snac: Snac, directory: Path, port: int | None = None, token: str = "") -> Context:
    url = snac.url if port is None else f"http://127.0.0.1:{port}"
    block = {"driver": "mastodon", "url": url, "token": "secret://it"}
    scope = {"networks": ["127.0.0.0/8"], "social": {"town": block}}
    return Context(scope, lambda _: Secret(token or snac.token), directory / "workspace", directory, deadline=10.0)


def statuses(snac: Snac) -> list[str]:
    account = snac.get("/api/v1/accounts/verify_credentials").json()["id"]
    return [one["id"] for one in snac.get(f"/api/v1/accounts/{account}/statuses?limit=40").json()]


def fields(snac: Snac) -> list[tuple[str, str]]:
    account = snac.get("/api/v1/accounts/verify_credentials").json()
    return [(one["name"], one["value"]) for one in account["source"]["fields"]]


def writes(sent: bytes) -> bool:
    return sent.startswith((b"POST", b"PATCH", b"DELETE"))


@contextmanager
def out_of_reach(where: Context) -> Iterator[None]:
    scope: Any = where.scope
    networks, scope["networks"] = scope["networks"], ["198.18.0.0/16"]
    yield
    scope["networks"] = networks


class TestPost(ProvableContract):
    """snac deletes no status by this API up to 2.75, so each test has an announcement of its own."""

    @pytest.fixture
    def case(self, snac: Snac, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Case]:
        with relayed(int(snac.url.rpartition(":")[2]), writes) as relay:
            where = context(snac, tmp_path, relay.port)
            yield Case(
                want=POST,
                context=where,
                make=MastodonPost,
                world=lambda: statuses(snac),
                effects=lambda: len(statuses(snac)),
                effects_once=1,
                crash_after_write=relay.losing_answers,
                break_permanently=lambda: out_of_reach(where),
                break_briefly=relay.down,
                secrets=[snac.token],
                tag=Tag(TAG.run, request.node.name),
            )


class TestProfile(ProviderContract):
    """snac can't take the last field away, so the profile has one of somebody else's."""

    @pytest.fixture
    def case(self, snac: Snac, tmp_path: Path) -> Iterator[Case]:
        snac.set_fields({"Site": "https://old.valbourg.example", "Horaires": "9 h - 17 h"})
        with relayed(int(snac.url.rpartition(":")[2]), writes) as relay:
            where = context(snac, tmp_path, relay.port)
            yield Case(
                want=PROFILE,
                context=where,
                make=MastodonProfile,
                world=lambda: fields(snac),
                crash_after_write=relay.losing_answers,
                break_permanently=lambda: out_of_reach(where),
                break_briefly=relay.down,
                secrets=[snac.token],
            )


def test_an_announcement_is_taken_back_or_a_person_is_told_to(snac: Snac, tmp_path: Path) -> None:
    provider = MastodonPost(context(snac, tmp_path))
    done = provider.apply(POST, TAG, {}, quiet)
    later = MastodonPost(replace(context(snac, tmp_path), clock=lambda: time.time() + 60))
    told = ""
    try:
        provider.undo(POST, TAG, done.effect, quiet)
        later.undo(POST, TAG, done.effect, quiet)
    except ProviderError as error:
        told = error.message
    by_hand = f"deletes no status by its API; delete {done.outputs['url']} by hand" in told
    assert by_hand == (done.outputs["id"] in statuses(snac)), told


def test_the_checks_hold(snac: Snac, tmp_path: Path) -> None:
    where = context(snac, tmp_path)
    found = MastodonCheck(where).apply(MastodonProbe(url=snac.url), TAG, {}, quiet)
    assert "snac" in str(found.outputs["version"])
    looked = MastodonCheck(where).observe(MastodonProbe(url=snac.url, token="secret://it"), TAG, None)
    assert (looked.presence, looked.outputs["account"]) == (Presence.ALREADY, USER)
    named = NodeInfoCheck(where).apply(NodeInfoProbe(url=snac.url, software="snac"), TAG, {}, quiet)
    assert named.presence is Presence.ALREADY


def test_a_wrong_token_is_a_refusal(snac: Snac, tmp_path: Path) -> None:
    with refused() as caught:
        MastodonPost(context(snac, tmp_path, token="0123")).observe(POST, TAG, None)
    assert caught.value.permanent
    assert "knows no account by this token" in caught.value.message
