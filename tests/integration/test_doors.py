"""What strangers do at the doors never keeps away who is known: bodies, wrong passwords, haste."""

import contextlib
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from orchestrator.app import Bascule, Settings
from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.web.edge.bodies import MAX_AT_DOORS, MAX_BODY
from orchestrator.web.edge.limits import Rate, Rates
from orchestrator.web.edge.listening import Listening
from orchestrator.web.words import say
from tests.integration.service_fixture import PLENTY, answering, until
from tests.known_people import enrol, session
from tests.page_visitor import visiting, words_of

KIND = {"Content-Type": "application/json"}
HASTE = 40


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bascule, str]]:
    bascule = Bascule(Settings(tmp_path_factory.mktemp("data"), ""))
    enrol(bascule.database, "anne", Role.OPERATOR)
    try:
        with answering(bascule, where=Listening(rates=Rates(Rate(3), Rate(HASTE), PLENTY))) as url:
            yield bascule, url
    finally:
        bascule.stop()


def client(url: str, secret: str = "") -> httpx.Client:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


@pytest.mark.parametrize(
    "body",
    [
        b"name=a%00b&password=x",
        b"name=a%1B%5B2Jb&password=x",
        b"name=a%C2%9Bb&password=x",
        b"&".join(b"f%d=1" % one for one in range(60)),
    ],
)
def test_a_form_that_is_none_of_ours_is_refused_and_breaks_nothing(service: tuple[Bascule, str], body: bytes) -> None:
    url = service[1]
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": url}
    answer = httpx.post(f"{url}/sign-in", content=body, headers=headers, trust_env=False)
    assert answer.status_code == 422
    assert "Traceback" not in answer.text


def test_slow_bodies_at_the_doors_keep_nobody_else_waiting(service: tuple[Bascule, str]) -> None:
    bascule, url = service
    at = urlsplit(url)
    head = f"POST /api/v1/sessions HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Type: application/json\r\n"
    slow = f"{head}Content-Length: {MAX_AT_DOORS}\r\n\r\n".encode() + b" " * (MAX_AT_DOORS - 1)
    with client(url) as stranger, client(url, session(bascule, "anne")) as anne, contextlib.ExitStack() as open_ones:
        large = stranger.post("/api/v1/sessions", content=b" " * (MAX_AT_DOORS + 1), headers=KIND)
        assert (large.status_code, str(MAX_AT_DOORS) in large.json()["detail"]) == (413, True)

        def another() -> None:
            one = open_ones.enter_context(socket.create_connection((at.hostname or "", at.port or 0)))
            one.sendall(slow)

        for _ in range(16 * MAX_BODY // MAX_AT_DOORS):
            another()

        def full() -> bool | None:
            another()  # of those that arrive together when it is nearly full, several are sent away at once
            said = stranger.post("/api/v1/sessions/key", content=b" " * 60_000, headers=KIND)
            return said.status_code == 503 or None

        until(full, 20, lambda: "the strangers' share is never full")
        large = anne.post("/api/v1/plans", content=b" " * MAX_BODY, headers=KIND)
        assert large.status_code not in (413, 503), large.text


def test_large_json_is_still_looked_through(service: tuple[Bascule, str]) -> None:
    bascule, url = service
    twice = b'{"services": [], "services": [], "x": "' + b"x" * 100_000 + b'"}'
    with client(url, session(bascule, "anne")) as anne:
        said = anne.post("/api/v1/plans", content=twice, headers=KIND)
    assert (said.status_code, "same name twice" in said.json()["detail"]) == (400, True)


def test_failed_passwords_shut_neither_keys_nor_codes_on_the_page(service: tuple[Bascule, str]) -> None:
    bascule, url = service
    ours = {"Origin": url}
    with client(url) as one:
        wrong = [one.post("/sign-in", data={"name": "anne", "password": "x"}, headers=ours) for _ in range(6)]
        assert wrong[-1].status_code == 429
        codes = bascule.people.break_glass.seal(3, 2, [Grant(Role.OPERATOR)], 1, "test")
        opened = one.post("/sign-in/codes", data={"codes": "\n".join(codes[:2]), "reason": "fire"}, headers=ours)
        assert (opened.status_code, opened.headers["location"]) == (303, "/")
    with client(url) as one:
        answer = json.dumps({"id": "AA", "response": []})
        refused = one.post("/sign-in/key", data={"name": "anne", "challenge": "x", "answer": answer}, headers=ours)
        assert refused.status_code == 429  # it was looked at, and failed
        page = one.get("/sign-in").text
        assert 'data-key-action="/sign-in/key"' in page
        assert 'action="/sign-in/codes"' in page


def test_a_runaway_program_takes_nothing_from_its_person_and_halting_is_never_too_often(
    service: tuple[Bascule, str],
) -> None:
    bascule, url = service
    made = bascule.people.tokens.make(
        "anne", "script", [Grant(Role.OPERATOR)], 1, Actor("anne", Proof.TOTP, grants=(Grant(Role.OPERATOR),))
    )
    with client(url, made.secret) as program, client(url, session(bascule, "anne")) as anne:
        asked = [program.get("/api/v1/session").status_code for _ in range(HASTE + 2)]
        assert asked[0] == 200
        assert asked[-1] == 429
        assert anne.get("/api/v1/session").status_code == 200
        assert program.get("/api/v1/halt").status_code == 200


def test_the_kill_switch_s_page_is_never_too_often_and_another_page_says_so_to_people(
    service: tuple[Bascule, str],
) -> None:
    bascule, url = service
    enrol(bascule.database, "hedi", Role.OPERATOR, Role.ADMIN)
    with visiting(bascule, url, "hedi", language="fr") as hedi:
        for _ in range(HASTE):
            hedi.get("/api/v1/session")
        asked = next(one for one in (hedi.get("/account") for _ in range(HASTE)) if one.status_code != 200)
        assert (asked.status_code, asked.headers["content-type"]) == (429, "text/html; charset=utf-8")
        assert int(asked.headers["Retry-After"]) >= 1
        assert say("fr", "plain.often.title") in words_of(asked)
        assert 'href="/halt"' in asked.text
        hedi.do("/halt", reason="smoke")
        assert bascule.halt.in_force() is not None
        hedi.do("/halt/lift", reason="steam")
        assert bascule.halt.in_force() is None


def test_a_restored_database_is_closed_with_the_installation_s_token(service: tuple[Bascule, str]) -> None:
    bascule, url = service
    secret = session(bascule, "anne")
    with client(url, secret) as anne, client(url, bascule.token) as machine:
        order = {"reason": "the disk"}
        assert anne.post("/api/v1/people/after-restore", json=order).status_code == 403
        said = machine.post("/api/v1/people/after-restore", json=order)
        assert said.status_code == 200, said.text
        assert said.json()["sessions"] >= 1
    assert bascule.people.sign_in.who(secret) is None
