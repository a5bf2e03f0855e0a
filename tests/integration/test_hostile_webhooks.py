"""Fault 41: whatever a sender with the right secret writes is kept as text: nothing fails, runs or is rendered."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from orchestrator.cli import main
from orchestrator.domain.estate import read_estate
from orchestrator.domain.signals.alert import Reading, Unfit
from orchestrator.domain.signals.formats.registry import READERS
from orchestrator.domain.signals.mapping import meaning
from orchestrator.domain.signals.observation import observation_of
from orchestrator.domain.signals.source import FORMATS
from orchestrator.store import observations
from orchestrator.web.pages.signal_pages import LISTED
from tests.databases import new_postgres_database
from tests.hostile_bodies import EACH, PRODUCT, bodies, payloads, posts
from tests.integration.service_fixture import ESTATE, RunningService, running_service
from tests.signal_senders import SIGNALS, Post, alert, alertmanager, as_bytes, proven, store_secrets

STEERING = {*map(chr, (*range(10), *range(11, 32), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))}
"""What a terminal would obey."""


def _service(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("hostile"), url, SIGNALS) as made:
        store_secrets(made.bascule.settings.data)
        yield made


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    yield from _service(tmp_path_factory, "")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def each_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    sqlite = request.param == "sqlite"
    url = "" if sqlite else new_postgres_database(request.getfixturevalue("postgres"))
    yield from _service(tmp_path_factory, url)


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """A file that something would make if it were executed."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists()


@pytest.mark.every_day("alertmanager", "generic", "cloudevents")
@pytest.mark.parametrize("name", FORMATS)
def test_readers_take_500_hostile_bodies_each(name: str, marker: Path) -> None:
    estate, problems = read_estate(ESTATE + SIGNALS)
    assert estate is not None, problems
    source = estate.signals.sources[name]
    found = bodies(name, str(marker))
    assert len(found) == EACH
    understood = 0
    for body in found:
        try:
            reading = READERS[source.format]({"content-type": "application/json"}, body)
        except Unfit as error:
            reading = Reading(notes=[str(error)])
        told = meaning(name, source, reading, 1795608000.0, {"microsoft-365"})
        assert told.seen or told.unmapped
        assert all(left.reason.endswith(".") for left in told.unmapped)
        understood += len(told.seen)
        for seen in told.seen:
            assert observation_of(seen.observation._asdict()) == seen.observation
            assert (seen.observation.vendor, seen.observation.trust_domain) == ("microsoft-365", source.trust_domain)
        for left in told.unmapped:
            assert len(left.labels) <= 64
            assert all(len(value) <= 500 for value in left.labels.values())
    assert understood, "the corpus must reach beyond the readers"


def test_the_service_takes_a_hundred_hostile_bodies(service: RunningService, marker: Path) -> None:
    """A tenth of those of each format, each at a place of its own; with the faults, all."""
    taken = [list(posts(name, str(marker)))[place :: 5 * len(FORMATS)] for place, name in enumerate(FORMATS)]
    _withstands(service, [post for some in taken for post in some])


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_the_service_takes_500_hostile_bodies_of_each_format(each_service: RunningService, marker: Path) -> None:
    for name in FORMATS:
        _withstands(each_service, list(posts(name, str(marker))))


def _withstands(service: RunningService, hostile: list[Post]) -> None:
    """All are taken, and whatever of them is shown is shown as text, page by page."""
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as http, ThreadPoolExecutor(8) as pool:

        def code(post: Post) -> tuple[str, int]:
            return post.source, http.post(
                f"/webhooks/{post.source}", content=post.body, headers=post.headers
            ).status_code

        for begin in range(0, len(hostile), LISTED):
            taken = set(pool.map(code, hostile[begin : begin + LISTED]))
            assert {status for _, status in taken} == {202}, taken
            _shows_text_alone(service.http.get("/signals"))
    for place in ("/signals?lang=fr", "/", "/api/v1/signals/unmapped?limit=200", "/api/v1/signals/sources"):
        _shows_text_alone(service.http.get(place))
    with service.bascule.database.read() as conn:
        told = list(observations.between(conn, 0, 1e12))
    assert told
    assert {one.vendor for one in told} == {"microsoft-365"}
    assert {one.account for one in told} <= {None, "mayor"}
    assert service.http.get("/api/v1/runs").json()["runs"] == []


def test_the_command_line_shows_hostile_words_and_obeys_none(
    service: RunningService, marker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every text of the corpus as a label, and in a body that is kept, on a terminal and as JSON."""
    for number, text in enumerate(payloads(str(marker))):
        news = alertmanager(alert(fingerprint=str(number), alertname="Odd", words=text), groupKey=text)
        assert accepted(service, proven("alertmanager", as_bytes(news))) == 202

    def said(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["--data", str(service.bascule.settings.data), "signals", *arguments])
        assert ended.value.code == 0
        shown = capsys.readouterr()
        assert not PRODUCT.search(shown.out + shown.err)
        assert not [sign for sign in shown.out + shown.err if sign in STEERING]
        return shown.out

    listed = said("unmapped", "--limit", "200")
    for text in ("{{ 31337 * 3 }}", "<script>document", f"$(touch {marker})", "31m", "gnp.exe"):
        assert text in listed
    assert "own-p" in said("sources")
    told = json.loads(said("unmapped", "--limit", "200", "--json"))["deliveries"]
    assert "\u202egnp.exe\u2066" in {left["labels"].get("words") for one in told for left in one["left"]}


def accepted(service: RunningService, post: Post) -> int:
    address = f"{service.url}/webhooks/{post.source}"
    return httpx.post(address, content=post.body, headers=dict(post.headers), trust_env=False).status_code


def _shows_text_alone(shown: httpx.Response) -> None:
    assert shown.status_code == 200
    assert not PRODUCT.search(shown.text)
    if shown.headers["content-type"].startswith("text/html"):
        for raw in ("<script>document", "<img src=x", "<svg/onload", "&#60;script", "\x1b", "\u202e"):
            assert raw not in shown.text
