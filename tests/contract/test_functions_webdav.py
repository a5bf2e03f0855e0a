"""`probe.webdav` at a WebDAV server of others, and its canary in everything that can go wrong with it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from providers.base import Finding, Presence, Tag
from providers.probes.webdav import WebdavCheck, canary_name
from providers.simulator.faults import Fault, FaultTable
from providers.simulator.http_service import Request, Response
from providers.simulator.nextcloud import Nextcloud
from providers.simulator.office import USER
from providers.wants import WebdavProbe
from tests.contract.suite import Case, ReadOnlyContract, everything_said, refused
from tests.dns_servers import ZONE
from tests.office_town import SECRETS, TAG, Town, office_town
from tests.wsgidav_server import Wsgidav, wsgidav

PASSWORD = SECRETS["password"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with office_town(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest.fixture(scope="module")
def server(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wsgidav]:
    pair = town.authority.pair(f"cloud.{ZONE}")
    with wsgidav(tmp_path_factory.mktemp("wsgidav"), pair, USER, PASSWORD) as running:
        yield running


def want(port: int, folder: str = "", user: str = USER) -> WebdavProbe:
    return WebdavProbe(url=f"https://cloud.{ZONE}:{port}/", user=user, password="secret://password", folder=folder)


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
            secrets=[PASSWORD],
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
    assert PASSWORD not in everything_said(caught.value)
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
    service = Odd({USER: PASSWORD}, **how)
    yield service, in_nextcloud(town.other("nextcloud", service))


def in_nextcloud(url: str) -> WebdavProbe:
    return WebdavProbe(url=f"{url}/remote.php/dav/files/{USER}/", user=USER, password="secret://password")


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
        assert service.home(USER).files == {}


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
        (left,) = service.home(USER).files
    assert said in message
    assert f"the canary may still be at {asked.url}{left}: remove it." in message


def test_no_space_left_is_seen_without_writing(town: Town) -> None:
    with odd_cloud(town) as (service, asked):
        service.home(USER).free = 0
        found = WebdavCheck(town.context).observe(asked, TAG, None)
        assert found.presence is Presence.ABSENT
        assert "has 0 bytes left; expected space for a file" in found.message
        assert service.home(USER).writes == 0


@contextmanager
def faulty_cloud(town: Town, fault: Fault, faults: FaultTable | None = None) -> Iterator[tuple[Nextcloud, WebdavProbe]]:
    """`faults`: where the fault is put, and no longer is once it has struck."""
    service, faults = Nextcloud({USER: PASSWORD}), faults or FaultTable()
    faults.replace([fault])
    yield service, in_nextcloud(town.other("nextcloud", service, faults))
    faults.stopping.set()


def test_a_lost_answer_leaves_nothing(town: Town) -> None:
    with faulty_cloud(town, Fault(service="nextcloud", kind="lose_answer", route="PUT *")) as (service, asked):
        assert "does not answer" in refusal(town, asked)
        assert service.home(USER).files == {}


def test_a_server_that_hangs_leaves_time_to_tidy_up(town: Town) -> None:
    with faulty_cloud(town, Fault(service="nextcloud", kind="hang", route="GET *")) as (service, asked):
        refusal(town, asked, deadline=1.0)
        assert service.home(USER).files == {}


KILLED = """
import json, sys
from pathlib import Path
from providers.base import Context, Secret, Tag
from providers.probes.webdav import WebdavCheck
from providers.wants import WebdavProbe

scope, want, run, step = json.loads(sys.argv[1])
context = Context(scope, lambda _: Secret(sys.stdin.readline().strip()), Path("."), Path("."), deadline=60.0)
WebdavCheck(context).apply(WebdavProbe.model_validate(want), Tag(run, step), {}, print)
"""
"""An attempt in a process of its own."""


def test_a_killed_attempt_is_tidied_up_by_the_next(town: Town) -> None:
    faults = FaultTable()
    with faulty_cloud(town, Fault(service="nextcloud", kind="hang", route="GET *"), faults) as (service, asked):
        told = json.dumps([town.scope, asked.model_dump(), TAG.run, TAG.step])
        with subprocess.Popen([sys.executable, "-c", KILLED, told], stdin=subprocess.PIPE, cwd=ROOT) as attempt:
            assert attempt.stdin is not None
            attempt.stdin.write(f"{PASSWORD}\n".encode() * 9)
            attempt.stdin.flush()
            wait_until(lambda: faults.listed()[0]["times"] == 0)  # it is reading the canary back, and has no answer
            attempt.kill()
        assert canary_name(TAG) in service.home(USER).files
        assert apply(town, asked).presence is Presence.ALREADY
        assert service.home(USER).files == {}


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
