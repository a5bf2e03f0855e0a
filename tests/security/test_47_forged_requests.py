"""Row 47: another site's page makes a browser that is signed in here send something; nothing comes of it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from orchestrator.domain.people.role import Role
from orchestrator.operations.people.factors import password_hash
from orchestrator.store import people
from orchestrator.web.edge.access import Access
from orchestrator.web.edge.gate import FORM
from tests.integration.service_fixture import RunningService, running_service
from tests.known_people import session
from tests.people_world import PASSWORD

EVIL = "https://evil.example"
REASON = {"reason": "forged"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("forged")) as made:
        made.person("olga", Role.OPERATOR, Role.APPROVER, Role.ADMIN)
        yield made


@pytest.fixture(scope="module")
def secret(service: RunningService) -> str:
    return session(service.bascule, "olga")


@pytest.fixture(scope="module")
def access(service: RunningService) -> Access:
    return Access(service.bascule.token, service.bascule.people.sign_in)


@pytest.fixture
def browser(service: RunningService, secret: str, access: Access) -> Iterator[httpx.Client]:
    """Sends olga's cookie by itself, as a browser would that knew no SameSite."""
    cookies = {access.cookie_name: secret}
    with httpx.Client(base_url=service.url, cookies=cookies, timeout=30, trust_env=False) as http:
        yield http


def page_token(access: Access, secret: str) -> dict[str, str]:
    return {"X-Page-Token": access.page_token(secret)}


def halted(service: RunningService) -> bool:
    return service.bascule.halt.in_force() is not None


def test_a_page_of_this_site_may(service: RunningService, browser: httpx.Client, access: Access, secret: str) -> None:
    """What the others are refused for is what this one has."""
    headers = {"Origin": service.url, **page_token(access, secret)}
    assert browser.post("/api/v1/halt", json=REASON, headers=headers).status_code == 201
    assert halted(service)
    assert browser.post("/api/v1/halt/lift", json=REASON, headers=headers).status_code == 200


FORGED: dict[str, dict[str, str]] = {
    "no token": {},
    "an empty token": {"X-Page-Token": ""},
    "a wrong token": {"X-Page-Token": "0" * 64},
    "another site": {"Origin": EVIL},
    "another site with the token": {"Origin": EVIL, "token": "theirs"},
    "no origin with the token": {"Origin": "", "token": "theirs"},
    "null with the token": {"Origin": "null", "token": "theirs"},
    "another port": {"Origin": "http://127.0.0.1:1", "token": "theirs"},
    "a name that begins alike": {"Origin": "{url}.evil.example", "token": "theirs"},
    "our name as a user": {"Origin": "http://127.0.0.1@evil.example", "token": "theirs"},
    "cross-site without an origin": {"Origin": "", "Sec-Fetch-Site": "cross-site", "token": "theirs"},
    "same-site without an origin": {"Origin": "", "Sec-Fetch-Site": "same-site", "token": "theirs"},
}


@pytest.mark.parametrize("how", FORGED)
def test_a_cookie_alone_changes_nothing(
    service: RunningService, browser: httpx.Client, access: Access, secret: str, how: str
) -> None:
    headers = {"Origin": service.url, **FORGED[how]}
    headers["Origin"] = headers["Origin"].replace("{url}", service.url)
    if headers.pop("token", ""):
        headers |= page_token(access, secret)
    if not headers["Origin"]:
        del headers["Origin"]
    for path in ("/api/v1/halt", "/api/v1/people/olga/disable"):
        said = browser.post(path, json=REASON, headers=headers)
        assert (said.status_code, said.json()["code"]) == (403, "forged"), path
    form = urlencode({"page_token": headers.pop("X-Page-Token", "")})
    for path in ("/account/sign-out-everywhere", "/sign-out"):
        assert browser.post(path, content=form, headers={**headers, "Content-Type": FORM}).status_code == 403, path
    assert not halted(service)
    assert browser.get("/account").status_code == 200


@pytest.mark.parametrize("kind", [FORM, "multipart/form-data; boundary=x", "text/plain", "", "application/json-not"])
def test_what_a_form_can_send_the_api_does_not_take(
    service: RunningService, browser: httpx.Client, access: Access, secret: str, kind: str
) -> None:
    """A page of another site sends no other kinds without being asked first, and asking is answered with nothing."""
    headers = {"Origin": service.url, "Content-Type": kind, **page_token(access, secret)}
    said = browser.post("/api/v1/halt", content=b'{"reason": "forged"}', headers=headers)
    assert said.status_code == 415
    assert not halted(service)


def test_another_site_is_told_no_by_the_question_before(browser: httpx.Client) -> None:
    headers = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    said = browser.options("/api/v1/halt", headers=headers)
    assert said.status_code >= 400
    assert not [name for name in said.headers if name.startswith("access-control-")]
    said = browser.get("/api/v1/runs", headers={"Origin": EVIL})
    assert not [name for name in said.headers if name.startswith("access-control-")]


def test_looking_changes_nothing(service: RunningService, browser: httpx.Client) -> None:
    """Every address that a link or an image of another site can ask for."""
    paths = browser.get("/api/v1/openapi.json").json()["paths"]
    asked = [path for path, methods in paths.items() if "get" in methods and "{" not in path]
    pages = ["/", "/map", "/signals", "/account", "/account?enrol=totp", "/sign-in", "/sign-out", "/welcome"]
    pages += ["/api/v1/halt/lift", "/account/sign-out-everywhere", "/account/password?new=x", "/api/v1/session"]
    before = rows(service)
    for path in [*asked, *pages]:
        for method in ("GET", "HEAD"):
            browser.request(method, path, headers={"Sec-Fetch-Site": "cross-site", "Referer": EVIL})
    assert rows(service) == before
    assert browser.get("/account").status_code == 200


def rows(service: RunningService) -> dict[str, Any]:
    """What a request could change, as it stands; when a session was seen last is none of it."""
    said = {}
    for table in ("people", "person_grants", "security_keys", "api_tokens", "invitations", "halts", "audit_entries"):
        with service.bascule.database.read() as conn:
            said[table] = conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
    return said


def test_nobody_is_signed_in_as_somebody_else_by_another_site(service: RunningService, access: Access) -> None:
    """Then they would work in the attacker's account."""
    form = urlencode({"name": "olga", "password": "x", "next": "/"})
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as http:
        for origin in (EVIL, "null", None):
            headers = {"Content-Type": FORM, **({"Origin": origin} if origin else {})}
            for path in ("/sign-in", "/welcome"):
                said = http.post(path, content=form, headers=headers)
                assert said.status_code == 403, path
                assert access.cookie_name not in said.cookies


@pytest.mark.parametrize(
    "wanted",
    [EVIL, "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "javascript:alert(1)", "", "x",
     "/%0d%0aSet-Cookie:x=y", "///evil.example", "http:evil.example"],
)  # fmt: skip
def test_after_signing_in_one_stays_here(service: RunningService, wanted: str) -> None:
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as http:
        page = http.get("/sign-in", params={"next": wanted}).text
    (said,) = [part.partition('"')[0] for part in page.split('name="next" value="')[1:]]
    assert said.startswith("/")
    assert not said.startswith(("//", "/\\"))
    assert not any(sign in said for sign in "\r\n\t")


def test_no_other_site_shows_us_in_a_frame_or_reads_along(browser: httpx.Client) -> None:
    for path in ("/", "/account", "/sign-in", "/api/v1/runs", "/nothing"):
        headers = browser.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "form-action 'self'" in headers["content-security-policy"], path
        assert "'unsafe" not in headers["content-security-policy"], path
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert (headers["referrer-policy"], headers["cache-control"]) == ("same-origin", "no-store"), path


def test_cookies_are_for_this_site_alone_and_for_no_script(service: RunningService, access: Access) -> None:
    service.person("vic", Role.VIEWER)
    with service.bascule.database.write() as conn:
        people.change(conn, "vic", password=password_hash(PASSWORD))
    form = urlencode({"name": "vic", "password": PASSWORD})
    headers = {"Origin": service.url, "Content-Type": FORM}
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as http:
        looking = http.get("/", params={"token": service.bascule.token}).headers["set-cookie"]
        signed_in = http.post("/sign-in", content=form, headers=headers).headers["set-cookie"]
    for said in (looking, signed_in):
        for flag in ("httponly", "samesite=strict", "path=/"):
            assert flag in said.lower(), said
        assert "domain=" not in said.lower()
    assert service.bascule.token not in looking
    assert access.cookie_value in looking


def test_the_cookie_of_the_installations_token_only_looks(service: RunningService, access: Access) -> None:
    headers = {"Origin": service.url, **page_token(access, access.cookie_value)}
    cookies = {access.cookie_name: access.cookie_value}
    with httpx.Client(base_url=service.url, cookies=cookies, timeout=30, trust_env=False) as http:
        assert http.get("/api/v1/runs").status_code == 200
        for method, path in (("POST", "/api/v1/halt"), ("DELETE", "/api/v1/sessions"), ("POST", "/sign-out")):
            said = http.request(method, path, json=REASON, headers=headers)
            assert said.status_code in (401, 415), path
    assert not halted(service)


def test_a_bearer_is_what_it_says_and_a_wrong_one_is_not_made_good_by_a_cookie(browser: httpx.Client) -> None:
    for wrong in ("Bearer x", "Basic b2xnYTp4", "bearer", "Token x"):
        assert browser.get("/api/v1/runs", headers={"Authorization": wrong}).status_code == 401, wrong
