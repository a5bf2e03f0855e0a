"""Checks of whole products: they keep the contract, hold at the healthy stand-in, and fail at every wrong one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from providers.base import Finding, Presence, ProviderError, Tag
from providers.probes.apt import AptCheck
from providers.probes.check import Check
from providers.probes.completion import CompletionCheck
from providers.probes.mastodon import MastodonCheck
from providers.probes.nodeinfo import NodeInfoCheck
from providers.probes.oidc import OidcCheck
from providers.probes.relme import RelMeCheck
from providers.simulator.api_request import page
from providers.simulator.apt_mirror import AptMirror
from providers.simulator.condition import Condition
from providers.simulator.effects import EffectLog
from providers.simulator.fediverse import Dialect, FediverseServer
from providers.simulator.friendica import FRIENDICA
from providers.simulator.http_service import Request, Response
from providers.simulator.keycloak import Keycloak
from providers.simulator.mastodon import MASTODON
from providers.simulator.mistral import Mistral
from providers.simulator.openpgp_key import OpenPgpKey
from providers.simulator.pixelfed import PIXELFED
from providers.wants import AptProbe, CompletionProbe, MastodonProbe, NodeInfoProbe, OidcProbe, RelMeProbe
from tests.contract.suite import Case, ReadOnlyContract, everything_said, quiet
from tests.served import Served, context, served

TAG = Tag("2026-11-25-cutoff", "check")
SECRET = "secret-only+known/to-this-test"
KEY = OpenPgpKey.made("Valbourg Archive <archive@valbourg.example>", 1_700_000_000)


class Site(FediverseServer):
    """Besides the account, the page that it names."""

    links = '<a class="u" rel="nofollow me" href="{base}/@valbourg/">Mastodon</a>'

    def handle(self, request: Request) -> Response:
        if request.path == "/mairie":
            return page(200, f"<!doctype html><p>{self.links.format(base=self.base)}</p>")
        return super().handle(request)


def _site(url: str, effects: EffectLog) -> Site:
    made = Site(MASTODON, url, SECRET, effects)
    made.fields = [("Site", f"{url}/mairie")]
    return made


def _relative(dialect: Dialect) -> Callable[[str, EffectLog], FediverseServer]:
    return lambda url, effects: FediverseServer(dialect, url, SECRET, effects)


def _trusted(directory: Path) -> str:
    (directory / "keys").mkdir()
    (directory / "keys/archive.asc").write_text(KEY.public())
    return "keys/archive.asc"


@dataclass(frozen=True)
class Product:
    """A check with its stand-in. `writes`: it needs more than reading, so that a service that is read-only fails it."""

    name: str
    stand_in: Callable[[str, EffectLog], Any]
    check: type[Check[Any]]
    want: Callable[[str, Path], Any]
    writes: bool = False


PRODUCTS = [
    Product(
        "mistral",
        lambda url, effects: Mistral(SECRET, effects),
        CompletionCheck,
        lambda url, _: CompletionProbe(url=f"{url}/v1", key="secret://it", model="mistral-small-latest"),
        writes=True,
    ),
    Product(
        "mastodon",
        _relative(MASTODON),
        MastodonCheck,
        lambda url, _: MastodonProbe(url=url, token="secret://it"),
        writes=True,
    ),
    Product(
        "friendica",
        _relative(FRIENDICA),
        MastodonCheck,
        lambda url, _: MastodonProbe(url=f"{url}/", token="secret://it", visibility="unlisted"),
        writes=True,
    ),
    Product(
        "pixelfed",
        _relative(PIXELFED),
        NodeInfoCheck,
        lambda url, _: NodeInfoProbe(url=url, software="pixelfed"),
    ),
    Product("mastodon", _site, RelMeCheck, lambda url, _: RelMeProbe(page=f"{url}/mairie", profile=f"{url}/@valbourg")),
    Product(
        "keycloak",
        lambda url, _: Keycloak(url, "valbourg", "bascule check", SECRET),
        OidcCheck,
        lambda url, _: OidcProbe(
            issuer=f"{url}/realms/valbourg", client_id="bascule check", client_secret="secret://it"
        ),
        writes=True,
    ),
    Product(
        "apt-mirror",
        lambda url, _: AptMirror(KEY),
        AptCheck,
        lambda url, directory: AptProbe(url=f"{url}/debian", suite="bookworm", key=_trusted(directory), max_age="2d"),
    ),
]


@dataclass
class Place:
    """A product, running, and what asks it."""

    product: Product
    server: Served
    want: Any
    directory: Path
    secret: str = SECRET

    def check(self) -> Check[Any]:
        return self.product.check(context(self.server, self.directory, {"it": self.secret}))

    def look(self, want: Any = None) -> Finding:
        return self.check().observe(want or self.want, TAG, None)

    def apply(self, want: Any = None) -> Finding:
        return self.check().apply(want or self.want, TAG, {}, quiet)

    def says(self, want: Any = None) -> str:
        """What keeps the check from holding; it is no secret, and one sentence on one line."""
        with pytest.raises(ProviderError) as caught:
            self.apply(want)
        assert self.secret not in everything_said(caught.value)
        assert "\n" not in caught.value.message
        return caught.value.message


@contextmanager
def running(product: Product, directory: Path) -> Iterator[Place]:
    with served(product.name, product.stand_in, directory) as server:
        yield Place(product, server, product.want(server.url, directory), directory)


def products(*names: str) -> pytest.MarkDecorator:
    chosen = [one for one in PRODUCTS if not names or one.check.__name__ in names]
    return pytest.mark.parametrize("product", chosen, ids=lambda one: f"{one.check.__name__}-{one.name}")


@pytest.fixture
def place(product: Product, tmp_path: Path) -> Iterator[Place]:
    with running(product, tmp_path) as made:
        yield made


@pytest.mark.core("OidcCheck-keycloak")
@products()
class TestChecks(ReadOnlyContract):
    @pytest.fixture
    def case(self, place: Place) -> Case:
        where = context(place.server, place.directory, {"it": SECRET})
        scope: Any = where.scope

        @contextmanager
        def out_of_reach() -> Iterator[None]:
            networks, scope["networks"] = scope["networks"], ["198.18.0.0/16"]
            yield
            scope["networks"] = networks

        def world() -> Any:
            stand_in = place.server.stand_in
            return [list(stand_in.statuses), list(stand_in.fields)] if isinstance(stand_in, FediverseServer) else None

        return Case(
            want=place.want,
            context=where,
            make=place.product.check,
            world=world,
            break_permanently=out_of_reach,
            break_briefly=lambda: place.server.being(Condition.DOWN),
            untrue=lambda: place.server.being(Condition.MAINTENANCE),
            secrets=[SECRET],
        )


SAID = {
    Condition.DOWN: "does not answer",
    Condition.PARKED: "parked",
    Condition.MAINTENANCE: "answered 503",
    Condition.WRONG_CERTIFICATE: "certificate",
    Condition.READ_ONLY: "refuses the credential (40",
}


UNLIKE = {
    (RelMeCheck, Condition.PARKED): 'has 0 links with rel="me"',
    (AptCheck, Condition.PARKED): "it is not signed",
}
"""Where nobody looks at the page's own words."""


@products()
def test_every_wrong_product_fails_the_check_and_says_why(place: Place) -> None:
    for wrong, said in SAID.items():
        with place.server.being(wrong):
            if wrong is Condition.READ_ONLY and not place.product.writes:
                assert place.apply().presence is Presence.ALREADY
            else:
                assert UNLIKE.get((place.product.check, wrong), said) in place.says()
    assert place.apply().presence is Presence.ALREADY


@products("CompletionCheck", "MastodonCheck", "OidcCheck")
def test_a_wrong_credential_is_a_refusal(place: Place) -> None:
    place.secret = "another-one"
    with pytest.raises(ProviderError, match=r"refuses the credential \(401") as caught:
        place.apply()
    assert caught.value.permanent
    assert "another-one" not in everything_said(caught.value)


@products("CompletionCheck", "MastodonCheck")
def test_who_asks_too_often_waits(place: Place) -> None:
    rule = {"route": "POST *", "kind": "status", "status": 429, "retry_after": 7}
    with place.server.faulty(rule), pytest.raises(ProviderError, match="asks to come less often") as caught:
        place.apply()
    assert (caught.value.permanent, caught.value.retry_after) == (False, 7.0)


@products("CompletionCheck")
def test_a_completion_is_asked_for_once_and_only_when_the_step_runs(place: Place) -> None:
    place.look()
    assert place.server.written() == []
    place.apply()
    assert place.server.written() == [("chat.completion", "mistral-small-latest")]


@products("CompletionCheck")
@pytest.mark.parametrize(
    ("model", "said"), [("mistral-gone", "no model mistral-gone among its 4"), ("mistral-embed", "Invalid model")]
)
def test_a_model_that_is_not_there_or_completes_nothing_is_said(place: Place, model: str, said: str) -> None:
    assert said in place.says(place.want.model_copy(update={"model": model}))


@products("MastodonCheck")
def test_a_check_of_mastodon_leaves_nothing(place: Place) -> None:
    place.look()
    assert place.server.written() == []
    for _ in range(2):  # within the hour, the second one meets the key of a status that is gone
        place.apply()
    assert [action for action, _ in place.server.written()] == ["status.post", "status.delete"] * 2
    assert place.server.stand_in.statuses == []


@products("MastodonCheck")
def test_a_status_that_a_lost_answer_left_is_taken_away(place: Place) -> None:
    with place.server.faulty({"route": "POST *", "kind": "lose_answer"}):
        assert "does not answer" in place.says()
    assert len(place.server.stand_in.statuses) == 1
    place.apply()
    assert place.server.stand_in.statuses == []


@products("MastodonCheck")
def test_a_server_without_a_token_is_only_looked_at(place: Place) -> None:
    found = place.apply(place.want.model_copy(update={"token": None}))
    assert sorted(found.outputs) == ["version"]
    assert place.server.written() == []


def test_a_relative_says_that_it_has_no_direct_statuses(tmp_path: Path) -> None:
    with running(PRODUCTS[2], tmp_path) as place:
        assert "Direct messages are currently unsupported" in place.says(
            place.want.model_copy(update={"visibility": "direct"})
        )
        assert place.server.stand_in.statuses == []


@products("NodeInfoCheck")
def test_another_software_or_another_host_does_not_hold(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.apply().outputs == {"software": "pixelfed", "version": "0.12.6"}
    assert "says that it runs pixelfed; expected friendica" in place.says(
        place.want.model_copy(update={"software": "friendica"})
    )
    monkeypatch.setattr(place.server.stand_in, "base", "https://elsewhere.example")
    assert "expected one at its own host" in place.says()


@products("RelMeCheck")
def test_links_must_go_both_ways(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.server.stand_in, "scripted", True)
    assert place.apply().presence is Presence.ALREADY
    monkeypatch.setattr(place.server.stand_in, "fields", [])
    assert "has 0 links" in place.says()
    assert "Put the page's address into a field of the profile" in place.says()
    monkeypatch.setattr(Site, "links", '<a href="{base}/@valbourg">Mastodon</a>')
    assert "on the page" in place.says()


@products("OidcCheck")
def test_an_identity_provider_must_name_itself_exactly(place: Place) -> None:
    found = place.apply()
    assert found.outputs == {
        "token_endpoint": f"{place.want.issuer}/protocol/openid-connect/token",
        "keys": 1,
    }
    assert "expected exactly" in place.says(place.want.model_copy(update={"issuer": f"{place.want.issuer}/"}))
    assert "Realm does not exist" in place.says(
        place.want.model_copy(update={"issuer": f"{place.server.url}/realms/another"})
    )


@products("OidcCheck")
def test_a_token_of_another_key_of_another_issuer_or_of_yesterday_does_not_hold(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    keycloak: Keycloak = place.server.stand_in
    another = Keycloak(place.server.url, "valbourg", "a", "b")
    another.rotate()
    with monkeypatch.context() as swapped:
        swapped.setattr(keycloak, "signed", another.signed)
        assert "none of the 1 published keys is the one that it names" in place.says()
    with monkeypatch.context() as swapped:
        swapped.setattr(keycloak, "signed", lambda claims: Keycloak.signed(keycloak, claims)[:-8] + "AAAAAAAA")
        assert "its signature is not that of the published key" in place.says()
    with monkeypatch.context() as swapped:
        swapped.setattr(keycloak, "signed", lambda claims: Keycloak.signed(keycloak, claims | {"iss": "https://x"}))
        assert "names the issuer 'https://x'" in place.says()
    with monkeypatch.context() as swapped:
        swapped.setattr(keycloak, "_clock", lambda: 1_700_000_000.0)
        assert "is over already" in place.says()
    with monkeypatch.context() as swapped:
        swapped.setattr(keycloak, "signed", lambda claims: "opaque")
        assert "it is no signed token" in place.says()


@products("OidcCheck")
def test_without_a_client_the_keys_are_enough(place: Place) -> None:
    place.secret = "not-needed"
    assert place.apply(OidcProbe(issuer=place.want.issuer)).presence is Presence.ALREADY


@products("AptCheck")
def test_a_mirror_tells_of_what_it_has(place: Place) -> None:
    outputs = place.apply().outputs
    assert (outputs["suite"], outputs["signed_by"]) == ("bookworm", [KEY.fingerprint])
    assert outputs["date"] < outputs["valid_until"]


@products("AptCheck")
@pytest.mark.parametrize(
    ("published", "said"),
    [
        ({"signed": False}, "is not signed by a key of keys/archive.asc: it is not signed; take no package"),
        ({"age": 8 * 86400.0}, "the mirror does not follow any more"),
        ({"age": 3 * 86400.0}, "3.0 days old; expected at most 2.0 days"),
        ({"age": -3600.0}, "in the future; compare the clocks"),
        ({"codename": "trixie"}, "has oldstable and trixie in the place of bookworm"),
    ],
)
def test_a_mirror_that_is_not_as_its_distributor_has_it_fails(
    place: Place, published: dict[str, Any], said: str
) -> None:
    place.server.stand_in.publish(KEY, **published)
    assert said in place.says()


@products("AptCheck")
def test_a_mirror_signed_by_another_key_or_changed_after_it_was_signed_fails(place: Place) -> None:
    mirror: AptMirror = place.server.stand_in
    mirror.publish(OpenPgpKey.made("Another <another@example.net>", 1_700_000_000))
    assert "is not among the trusted ones" in place.says()
    mirror.publish(KEY)
    release = "/debian/dists/bookworm/InRelease"
    mirror.files[release] = mirror.files[release].replace(b"Origin: Valbourg", b"Origin: Somebody")
    assert "does not fit the text" in place.says()


@products("AptCheck")
def test_a_mirror_without_the_list_that_it_names_fails(place: Place) -> None:
    mirror: AptMirror = place.server.stand_in
    mirror.files["/debian/dists/bookworm/main/binary-amd64/Packages.xz"] += b"more"
    assert "in the middle of an update, or broken" in place.says()
    del mirror.files["/debian/dists/bookworm/main/binary-amd64/Packages.xz"]
    assert "answered 404" in place.says()
    assert "names no main/binary-riscv64/Packages" in place.says(
        place.want.model_copy(update={"architecture": "riscv64"})
    )


@products("AptCheck")
def test_trusted_keys_that_are_none_or_not_there_are_said(place: Place) -> None:
    (place.directory / "keys/archive.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nnothing\n")
    assert "holds no OpenPGP public key" in place.says()
    assert "can't be read" in place.says(place.want.model_copy(update={"key": "keys/gone.asc"}))
