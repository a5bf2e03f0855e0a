"""Announcements and profiles keep the effect contract, at Mastodon's stand-in and at those of its relatives."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from providers.base import Context, Finding, Presence, ProviderError, Tag
from providers.examiners import examine
from providers.probes.mastodon import MastodonCheck
from providers.rights import State, Subject
from providers.simulator.condition import Condition
from providers.simulator.fediverse import Dialect, FediverseServer, Status, error
from providers.simulator.friendica import FRIENDICA
from providers.simulator.mastodon import MASTODON
from providers.simulator.pixelfed import PIXELFED
from providers.social.picture import Picture
from providers.social.post import MastodonPost, reference, text_of
from providers.social.profile import MastodonProfile
from providers.wants import MastodonProbe, Post, Profile, ProfileField, Words
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.served import Served, context, served

TOKEN = "token-only-known-to-this-test"
TAG = Tag("2026-11-25-cutoff", "announce/mastodon")
POST = Post(
    account="town",
    text=Words(fr="La mairie déménage <ses> services.\nTout va bien.", en="Our services move & all is well."),
)
OLD, NEW = "https://old.valbourg.example", "https://www.valbourg.example/"
PROFILE = Profile(
    account="town",
    fields=[ProfileField(name="Site", value=NEW), ProfileField(name="Crise", value="https://crise.valbourg.example")],
)
OTHERS = [("Site", OLD), ("Téléphone", "+33 1 00 00 00 00")]

SAID = {
    Condition.DOWN: "does not answer",
    Condition.PARKED: "Domain parked",
    Condition.MAINTENANCE: "answered 503",
    Condition.WRONG_CERTIFICATE: "certificate",
    Condition.READ_ONLY: "This action is outside the authorized scopes",
}


@contextmanager
def at(dialect: Dialect, directory: Path) -> Iterator[Served]:
    def make(url: str, effects: Any) -> FediverseServer:
        server = FediverseServer(dialect, url, TOKEN, effects)
        server.fields = list(OTHERS)
        server.statuses.append(Status("1", "Bonjour à tous", "public", 1_700_000_000.0))
        return server

    with served(dialect.software, make, directory) as made:
        yield made


def social(server: Served, directory: Path, token: str = TOKEN) -> Context:
    block = {"driver": "mastodon", "url": server.url, "token": "secret://social-token"}
    return context(server, directory, {"social-token": token}, social={"town": block})


def out_of_reach(where: Context) -> AbstractContextManager[None]:
    @contextmanager
    def within() -> Iterator[None]:
        networks = where.scope["networks"]
        where.scope["networks"] = ["198.18.0.0/16"]  # type: ignore[index]  # a plain dict, here
        yield
        where.scope["networks"] = networks  # type: ignore[index]

    return within()


def case(server: Served, directory: Path, want: Any, make: Callable[[Context], Any]) -> Case:
    where = social(server, directory)
    return Case(
        want=want,
        context=where,
        make=make,
        world=lambda: ([replace(one) for one in server.stand_in.statuses], list(server.stand_in.fields)),
        effects=lambda: len(server.written()),
        effects_once=1,
        crash_after_write=server.losing_answers,
        break_permanently=lambda: out_of_reach(where),
        break_briefly=lambda: server.being(Condition.DOWN),
        secrets=[TOKEN],
        tag=TAG,
    )


@pytest.fixture
def mastodon(tmp_path: Path) -> Iterator[Served]:
    with at(MASTODON, tmp_path) as server:
        yield server


@pytest.mark.core("mastodon")
class TestPost(ProviderContract, ForeignChangeContract):
    @pytest.fixture(params=[MASTODON, FRIENDICA, PIXELFED], ids=lambda dialect: dialect.software)
    def case(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
        with at(request.param, tmp_path) as server:
            made = case(server, tmp_path, pictured(tmp_path) if request.param is PIXELFED else POST, MastodonPost)

            def corrected() -> None:
                server.stand_in.edit(server.stand_in.statuses[-1].id, "Corrigé")

            yield replace(made, foreign_change=corrected, crash_after_write=partial(losing_posts, server))


def losing_posts(server: Served) -> AbstractContextManager[None]:
    """A picture that was uploaded is no effect yet: the post's own answer is lost."""
    return server.faulty(
        {"route": "POST /api/v1/statuses", "kind": "lose_answer"}, {"route": "DELETE *", "kind": "lose_answer"}
    )


@pytest.mark.core
class TestProfile(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, mastodon: Served, tmp_path: Path) -> Case:
        made = case(mastodon, tmp_path, PROFILE, MastodonProfile)

        def changed() -> None:
            mastodon.stand_in.fields = [("Site", "https://ailleurs.example"), *mastodon.stand_in.fields[1:]]

        return replace(made, foreign_change=changed)


def test_an_announcement_has_both_languages_and_its_reference(mastodon: Served, tmp_path: Path) -> None:
    done = MastodonPost(social(mastodon, tmp_path)).apply(POST, TAG, {}, quiet)
    (_, made) = mastodon.stand_in.statuses
    assert made.text == f"{POST.text.fr}\n\n{POST.text.en}\n\n{done.outputs['reference']}"
    assert re.fullmatch(r"ref\. [A-Z2-7]{8}", str(done.outputs["reference"]))
    assert (done.outputs["id"], made.visibility) == (made.id, "public")
    assert done.outputs["url"] == f"{mastodon.url}/@valbourg/{made.id}"


def test_another_step_has_another_reference() -> None:
    assert len({reference(Tag(run, step)) for run in ("a", "b") for step in ("1", "2")}) == 4


def test_an_announcement_is_found_again_without_its_workspace_and_behind_others(
    mastodon: Served, tmp_path: Path
) -> None:
    done = MastodonPost(social(mastodon, tmp_path)).apply(POST, TAG, {}, quiet)
    for number in range(90):
        mastodon.stand_in.statuses.append(Status(f"99{number:018d}", f"Nouvelle {number}", "public", 1_800_000_000.0))
    elsewhere = replace(social(mastodon, tmp_path), workspace=tmp_path / "another")
    found = MastodonPost(elsewhere).observe(POST, TAG, {})
    assert (found.presence, found.effect) == (Presence.OURS, done.effect)


def test_a_post_without_an_answer_is_waited_for_before_another_goes(tmp_path: Path) -> None:
    """Friendica knows no Idempotency-Key: what may still arrive is not sent again."""
    now = 1_000_000.0
    with at(FRIENDICA, tmp_path) as server:
        where = replace(social(server, tmp_path), clock=lambda: now)
        with server.faulty({"route": "POST *", "kind": "drop"}), refused() as caught:
            MastodonPost(where).apply(POST, TAG, {}, quiet)
        assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
        assert MastodonPost(where).observe(POST, TAG, {}).presence is Presence.PENDING
        with refused() as caught:
            MastodonPost(where).apply(POST, TAG, {}, quiet)
        assert (caught.value.effect_possible, caught.value.retry_after) == (True, 10.0)
        now += 10.5
        assert MastodonPost(where).observe(POST, TAG, {}).presence is Presence.ABSENT
        assert MastodonPost(where).apply(POST, TAG, {}, quiet).presence is Presence.OURS
        assert [action for action, _ in server.written()] == ["status.post"]


def test_a_post_that_was_refused_is_not_waited_for(mastodon: Served, tmp_path: Path) -> None:
    where = social(mastodon, tmp_path)
    with mastodon.being(Condition.READ_ONLY), refused() as caught:
        MastodonPost(where).apply(POST, TAG, {}, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (True, False)
    assert MastodonPost(where).apply(POST, TAG, {}, quiet).presence is Presence.OURS


def test_what_was_taken_back_can_be_announced_again(mastodon: Served, tmp_path: Path) -> None:
    """Within the hour Mastodon answers 404 to the key of a status that was deleted."""
    provider = MastodonPost(social(mastodon, tmp_path))
    first = provider.apply(POST, TAG, {}, quiet)
    assert provider.undo(POST, TAG, first.effect, quiet).presence is Presence.ABSENT
    again = provider.apply(POST, TAG, {}, quiet)
    assert (again.presence, again.effect == first.effect) == (Presence.OURS, False)


def test_a_text_that_is_too_long_is_said_when_the_plan_is_made(mastodon: Served, tmp_path: Path) -> None:
    long = replace_text(POST, "x" * 480)
    with refused() as caught:
        MastodonPost(social(mastodon, tmp_path)).observe(long, TAG, None)
    assert caught.value.permanent
    assert "takes 500; shorten `text`" in caught.value.message
    with refused() as caught:
        MastodonPost(social(mastodon, tmp_path)).apply(long, TAG, {}, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (True, False)
    assert "Text character limit of 500 exceeded" in caught.value.message


def replace_text(post: Post, text: str) -> Post:
    return post.model_copy(update={"text": Words(fr=text, en=text[:20])})


def test_a_network_of_pictures_refuses_an_announcement_without_one(tmp_path: Path) -> None:
    with at(PIXELFED, tmp_path) as server, refused() as caught:
        MastodonPost(social(server, tmp_path)).apply(POST, TAG, {}, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (True, False)
    assert "Empty statuses are not allowed" in caught.value.message


def test_a_network_of_pictures_asks_for_one_when_the_plan_is_made(tmp_path: Path) -> None:
    with at(PIXELFED, tmp_path) as server, refused() as caught:
        MastodonPost(social(server, tmp_path)).observe(POST, TAG, None)
    assert caught.value.permanent
    assert "takes no announcement without a picture" in caught.value.message


def pictured(estate: Path) -> Post:
    (estate / "pictures").mkdir()
    (estate / "pictures/town-hall.png").write_bytes(Picture.small("").content)
    shown = Words(fr="La façade « neuve »", en="The new front")
    return POST.model_copy(update={"picture": "pictures/town-hall.png", "picture_text": shown})


@pytest.mark.parametrize(
    "dialect",
    [MASTODON, replace(MASTODON, media="v1"), PIXELFED],
    ids=["mastodon", "mastodon-before-3.1.3", "pixelfed"],
)
def test_a_picture_goes_with_its_words_and_is_waited_for(dialect: Dialect, tmp_path: Path) -> None:
    with at(dialect, tmp_path) as server:
        want = pictured(tmp_path)
        MastodonPost(social(server, tmp_path)).apply(want, TAG, {}, quiet)
        (media,) = server.stand_in.pictures.held.values()
        assert server.stand_in.statuses[-1].media == (media.id,)
    assert (media.kind, media.description) == ("image/png", "La façade « neuve » / The new front")
    assert media.content == Picture.small("").content


def test_a_picture_that_is_none_is_said_when_the_plan_is_made(mastodon: Served, tmp_path: Path) -> None:
    want = pictured(tmp_path)
    for content, said in ((b"<svg/>", "is no PNG, JPEG, GIF or WebP"), (None, "can't be read")):
        file = tmp_path / "pictures/town-hall.png"
        file.unlink() if content is None else file.write_bytes(content)
        with refused() as caught:
            MastodonPost(social(mastodon, tmp_path)).observe(want, TAG, None)
        assert caught.value.permanent
        assert said in caught.value.message


def test_an_upload_without_an_answer_is_no_announcement(mastodon: Served, tmp_path: Path) -> None:
    provider = MastodonPost(social(mastodon, tmp_path))
    with mastodon.faulty({"route": "POST /api/v2/media", "kind": "lose_answer"}), refused() as caught:
        provider.apply(pictured(tmp_path), TAG, {}, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (False, False)
    assert mastodon.written() == []


@pytest.mark.parametrize("half", [{"picture": "a.png"}, {"picture_text": POST.text}])
def test_a_picture_is_never_without_words(half: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="both a `picture` and a `picture_text`"):
        Post(account="town", text=POST.text, **half)


@pytest.mark.parametrize(("dialect", "asked"), [(PIXELFED, False), (FRIENDICA, True)])
def test_a_check_of_a_network_of_pictures_brings_one(dialect: Dialect, asked: bool, tmp_path: Path) -> None:
    with at(dialect, tmp_path) as server:
        want = MastodonProbe(url=server.url, token="secret://social-token", visibility="unlisted", picture=asked)
        MastodonCheck(social(server, tmp_path)).apply(want, TAG, {}, quiet)
        assert len(server.stand_in.pictures.held) == 1
        assert [action for action, _ in server.written()] == ["status.post", "status.delete"]


@pytest.mark.parametrize("make", [MastodonPost, MastodonProfile])
def test_a_wrong_token_is_a_refusal_without_the_token(mastodon: Served, tmp_path: Path, make: Any) -> None:
    want = POST if make is MastodonPost else PROFILE
    with refused() as caught:
        make(social(mastodon, tmp_path, token="another-token")).observe(want, TAG, None)
    assert caught.value.permanent
    assert "The access token is invalid" in caught.value.message
    assert "another-token" not in caught.value.message


@pytest.mark.parametrize("make", [MastodonPost, MastodonProfile])
def test_nothing_is_written_where_something_is_wrong(mastodon: Served, tmp_path: Path, make: Any) -> None:
    want = POST if make is MastodonPost else PROFILE
    provider = make(social(mastodon, tmp_path))
    before = provider.observe(want, TAG, None).values
    for wrong, said in SAID.items():
        with mastodon.being(wrong), refused() as caught:
            provider.apply(want, TAG, before, quiet)
        assert (caught.value.permanent, caught.value.effect_possible) == (wrong is Condition.READ_ONLY, False)
        assert said in caught.value.message
    assert mastodon.written() == []


def test_a_profile_keeps_what_others_put_there(mastodon: Served, tmp_path: Path) -> None:
    provider = MastodonProfile(social(mastodon, tmp_path))
    before = provider.observe(PROFILE, TAG, None).values
    assert before == {"fields": {"Site": OLD, "Crise": None}}
    done = provider.apply(PROFILE, TAG, before, quiet)
    assert mastodon.stand_in.fields == [
        ("Site", NEW),
        ("Téléphone", "+33 1 00 00 00 00"),
        ("Crise", "https://crise.valbourg.example"),
    ]
    mastodon.stand_in.fields.append(("Horaires", "9 h - 17 h"))
    assert provider.undo(PROFILE, TAG, done.effect, quiet).presence is Presence.ABSENT
    assert mastodon.stand_in.fields == [*OTHERS, ("Horaires", "9 h - 17 h")]


def test_a_profile_that_changed_since_the_plan_is_left_alone(mastodon: Served, tmp_path: Path) -> None:
    provider = MastodonProfile(social(mastodon, tmp_path))
    before = provider.observe(PROFILE, TAG, None).values
    mastodon.stand_in.fields = [("Site", "https://ailleurs.example")]
    assert conflict(provider.observe(PROFILE, TAG, before)) == (
        f"In the profile of town Site was expected to be '{OLD}' and is 'https://ailleurs.example'."
    )
    with refused() as caught:
        provider.apply(PROFILE, TAG, before, quiet)
    assert caught.value.permanent
    assert mastodon.written() == []


def conflict(found: Finding) -> str:
    assert found.presence is Presence.CONFLICT
    return found.message


def test_what_the_profile_has_already_is_not_ours(mastodon: Served, tmp_path: Path) -> None:
    mastodon.stand_in.fields = [(one.name, one.value) for one in PROFILE.fields]
    provider = MastodonProfile(social(mastodon, tmp_path))
    before = provider.observe(PROFILE, TAG, None).values
    done = provider.apply(PROFILE, TAG, before, quiet)
    assert (done.presence, done.effect) == (Presence.ALREADY, {})
    assert mastodon.written() == []


def test_more_fields_than_the_server_takes_are_refused_before_anything_is_sent(
    mastodon: Served, tmp_path: Path
) -> None:
    mastodon.stand_in.fields = [(f"Champ {number}", "x") for number in range(3)]
    provider = MastodonProfile(social(mastodon, tmp_path))
    before = provider.observe(PROFILE, TAG, None).values
    with pytest.raises(ProviderError, match="would have 5 fields, and its server takes 4") as caught:
        provider.apply(PROFILE, TAG, before, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (True, False)


def test_a_scope_without_the_account_says_so(tmp_path: Path, mastodon: Served) -> None:
    where = context(mastodon, tmp_path, {})
    with pytest.raises(ProviderError, match=r"no `social\.town`"):
        MastodonPost(where).observe(POST, TAG, None)


def test_no_token_is_in_the_workspace(mastodon: Served, tmp_path: Path) -> None:
    MastodonPost(social(mastodon, tmp_path)).apply(POST, TAG, {}, quiet)
    kept = "".join(path.read_text() for path in (tmp_path / "workspace").iterdir())
    assert json.loads(kept)["id"] == mastodon.stand_in.statuses[-1].id
    assert TOKEN not in kept
    assert text_of(POST, TAG) not in kept


def test_the_doctor_signs_in_and_announces_nothing(mastodon: Served, tmp_path: Path) -> None:
    found = examine(social(mastodon, tmp_path), Subject("social", "town", "mastodon"))
    assert (found.ok, found.where) == (True, f"{mastodon.url}/@valbourg")
    assert [right.state for right in found.rights] == [State.HELD, State.UNKNOWN]
    assert mastodon.written() == []
    wrong = examine(social(mastodon, tmp_path, token="another"), Subject("social", "town", "mastodon"))
    assert not wrong.ok
    assert "The access token is invalid" in wrong.message


def test_a_server_that_deletes_nothing_is_a_persons_affair_once_that_is_sure(
    mastodon: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    provider = MastodonPost(replace(social(mastodon, tmp_path), clock=lambda: now))
    done = provider.apply(POST, TAG, {}, quiet)
    monkeypatch.setattr(mastodon.stand_in, "_delete", lambda _: error(404, "Record not found"))
    assert provider.undo(POST, TAG, done.effect, quiet).presence is Presence.PENDING
    now += 11
    with refused() as caught:
        provider.undo(POST, TAG, done.effect, quiet)
    assert caught.value.permanent
    assert "deletes no status by its API; delete " in caught.value.message
