"""`probe.webdav` at a WebDAV server of others, and its canary in everything that can go wrong with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from providers.base import Finding, Presence, Tag
from providers.probes.webdav import WebdavCheck, canary_name
from providers.simulator.condition import Site
from providers.simulator.faults import Fault, FaultTable
from providers.simulator.http_service import Request, Response
from providers.simulator.nextcloud import Nextcloud
from providers.wants import WebdavProbe
from tests.contract.suite import Case, ReadOnlyContract, everything_said, refused
from tests.dns_servers import ZONE
from tests.office_town import SECRETS, TAG, Town, office_town, url
from tests.wsgidav_server import Wsgidav, wsgidav

ANNE = SECRETS["anne"]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with office_town(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest.fixture(scope="module")
def server(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wsgidav]:
    pair = town.authority.pair(f"cloud.{ZONE}")
    with wsgidav(tmp_path_factory.mktemp("wsgidav"), pair, "anne", ANNE) as running:
        yield running


def want(port: int, folder: str = "", user: str = "anne") -> WebdavProbe:
    return WebdavProbe(url=url("cloud", port, "/"), user=user, password="secret://anne", folder=folder)


def files(server: Wsgidav) -> list[str]:
    return sorted(str(path.relative_to(server.folder)) for path in server.folder.rglob("*"))


@contextmanager
def moved_away(folder: Path) -> Iterator[None]:
    away = folder.rename(folder.with_name("elsewhere"))
    try:
        yield
    finally:
        away.rename(folder)


class TestAtWsgidav(ReadOnlyContract):
    @pytest.fixture
    def case(self, town: Town, server: Wsgidav) -> Case:
        folder = server.folder / "Crise 2026"
        folder.mkdir(exist_ok=True)
        return Case(
            want=want(server.port, "Crise 2026"),
            context=town.context,
            make=WebdavCheck,
            world=lambda: files(server),
            break_permanently=town.unreachable_by_scope,
            break_briefly=lambda: moved_away(folder),
            untrue=lambda: moved_away(folder),
            secrets=[ANNE],
            tag=TAG,
        )


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"folder": "closed"}, "could not be written: the server answered 403"),
        ({"folder": "nowhere"}, "could not be shown: the server answered 404 (there is no such folder)"),
        ({"user": "nobody"}, "could not be shown: the server answered 401 (user or password are wrong)"),
    ],
)
def test_wsgidav_says_what_is_wrong(town: Town, server: Wsgidav, wanted: dict[str, str], said: str) -> None:
    before = files(server)
    assert said in refusal(town, want(server.port, **wanted))
    assert files(server) == before


def test_a_canary_of_a_dead_attempt_goes_away_with_the_next(town: Town, server: Wsgidav) -> None:
    (server.folder / canary_name(TAG)).write_text("left behind")
    assert apply(town, want(server.port)).presence is Presence.ALREADY
    assert canary_name(TAG) not in files(server)


def test_every_run_and_step_has_a_canary_of_its_own() -> None:
    tags = [Tag("r", "a/b"), Tag("r", "a-b"), Tag("r", "a"), Tag("s", "a"), Tag("r", "é" * 300)]
    names = [canary_name(tag) for tag in tags]
    assert len({*names}) == len(tags)
    assert all(len(name) < 120 and name.isascii() and "/" not in name for name in names)


def apply(town: Town, asked: WebdavProbe, deadline: float = 10.0) -> Finding:
    return WebdavCheck(replace(town.context, deadline=deadline)).apply(asked, TAG, {}, lambda _: None)


def refusal(town: Town, asked: WebdavProbe, deadline: float = 10.0) -> str:
    """What an attempt says when the check does not hold."""
    with refused() as caught:
        apply(town, asked, deadline)
    assert not caught.value.permanent
    assert ANNE not in everything_said(caught.value)
    return caught.value.message


@dataclass(slots=True)
class Odd(Nextcloud):
    """A Nextcloud that answers some method in a way of its own, and only seems to do it when `pretends`."""

    method: str = ""
    answer: Response | None = None
    pretends: bool = False

    def handle(self, request: Request) -> Response:
        if request.method != self.method or self.answer is None:
            return Nextcloud.handle(self, request)
        if not self.pretends:
            Nextcloud.handle(self, request)
        return self.answer


@contextmanager
def odd_cloud(town: Town, **how: Any) -> Iterator[tuple[Odd, WebdavProbe]]:
    service = Odd({"anne": ANNE}, **how)
    site = town.site("cloud", service)
    try:
        yield service, want_in_nextcloud(site)
    finally:
        site.stop()


def want_in_nextcloud(site: Site) -> WebdavProbe:
    return WebdavProbe(url=url("cloud", site, "/remote.php/dav/files/anne/"), user="anne", password="secret://anne")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"method": "GET", "answer": Response(200, b"cached")}, "gave back 6 bytes, 'cached'; expected the"),
        ({"method": "GET", "answer": Response(500)}, "could not be read back: the server answered 500; expected 200"),
        (
            {"method": "PUT", "answer": Response(507), "pretends": True},
            "could not be written: the server answered 507 (there is no space left)",
        ),
        (
            {"method": "PUT", "answer": Response(423), "pretends": True},
            "could not be written: the server answered 423 (it is locked)",
        ),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_is_left(town: Town, how: dict[str, Any], said: str) -> None:
    with odd_cloud(town, **how) as (service, asked):
        assert said in refusal(town, asked)
        assert service.home("anne").files == {}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Response(403), "could not be removed: the server answered 403 (the user may not do that there)"),
        (Response(204), "answered 200 after its removal; expected 404"),
    ],
)
def test_a_canary_that_cannot_be_removed_is_named(town: Town, answer: Response, said: str) -> None:
    with odd_cloud(town, method="DELETE", answer=answer, pretends=True) as (service, asked):
        message = refusal(town, asked)
        (left,) = service.home("anne").files
    assert said in message
    assert f"the canary may still be at {asked.url}{left}: remove it." in message


def test_no_space_left_is_seen_without_writing(town: Town) -> None:
    with odd_cloud(town) as (service, asked):
        service.home("anne").free = 0
        found = WebdavCheck(town.context).observe(asked, TAG, None)
        assert found.presence is Presence.ABSENT
        assert "has 0 bytes left; expected space for a file" in found.message
        assert service.home("anne").writes == 0


@contextmanager
def faulty_cloud(town: Town, fault: Fault) -> Iterator[tuple[Nextcloud, WebdavProbe]]:
    service, faults = Nextcloud({"anne": ANNE}), FaultTable()
    site = Site("nextcloud", service, "127.0.0.1", 0, town.authority.certificates(f"cloud.{ZONE}"), faults)
    faults.replace([fault])
    try:
        yield service, want_in_nextcloud(site)
    finally:
        faults.stopping.set()
        site.stop()


def test_a_lost_answer_leaves_nothing(town: Town) -> None:
    with faulty_cloud(town, Fault(service="nextcloud", kind="lose_answer", route="PUT *")) as (service, asked):
        assert "does not answer" in refusal(town, asked)
        assert service.home("anne").files == {}


def test_a_server_that_hangs_leaves_time_to_tidy_up(town: Town) -> None:
    with faulty_cloud(town, Fault(service="nextcloud", kind="hang", route="GET *")) as (service, asked):
        refusal(town, asked, deadline=1.0)
        assert service.home("anne").files == {}
