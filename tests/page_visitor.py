"""Somebody at a page without a script: they read its forms, fill one in, and send it with a cookie, as browsers do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx

from orchestrator.app import Bascule
from orchestrator.domain.people.actor import Proof
from orchestrator.web.edge.access import Access
from tests.known_people import session


@dataclass
class FormSeen:
    """`fields`: what would be sent as it stands; a tick that is not set sends nothing."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """Names of everything that can be filled in."""


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[FormSeen] = []
        self._area = ""
        self._choice = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(FormSeen(said.get("action", ""), said.get("method", "get")))
        if not self.found:
            return
        form, name = self.found[-1], said.get("name", "")
        if tag == "input" and name:
            if said.get("type") != "hidden":
                form.asked.add(name)
            if said.get("type") not in ("checkbox", "radio") or "checked" in said:
                form.fields[name] = said.get("value", "")
        elif tag == "textarea":
            form.asked.add(name)
            form.fields[name], self._area = "", name
        elif tag == "select":
            form.asked.add(name)
            self._choice = name
        elif tag == "option" and (self._choice not in form.fields or "selected" in said):
            form.fields[self._choice] = said.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._area:
            self.found[-1].fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""


def forms_of(page: httpx.Response) -> list[FormSeen]:
    seen = _Forms()
    seen.feed(page.text)
    return seen.found


def form_at(page: httpx.Response, action: str = "") -> FormSeen:
    """The form that is sent to a path; without one, the only form of the page."""
    found = [one for one in forms_of(page) if one.method == "post" and (not action or one.action == action)]
    assert len(found) == 1, f"{len(found)} forms to {action or 'anywhere'} at {page.url}: {page.text[-3000:]}"
    return found[0]


def words_of(page: httpx.Response) -> str:
    """What is read there, without the marks."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


@dataclass
class Visitor:
    """`http` keeps the cookie. Redirections are followed, as browsers do."""

    http: httpx.Client

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path, follow_redirects=True)

    def send(self, page: httpx.Response, action: str = "", **filled: str | None) -> httpx.Response:
        """Send a form of the page with this filled in; None takes a tick away."""
        form = form_at(page, action)
        assert set(filled) <= form.asked, f"{set(filled) - form.asked} can't be filled in at {page.url}"
        fields = {**form.fields, **{name: value for name, value in filled.items() if value is not None}}
        for name in (name for name, value in filled.items() if value is None):
            fields.pop(name, None)
        where = form.action or page.url.path
        origin = f"{page.url.scheme}://{page.url.netloc.decode()}"
        headers = {"Origin": origin, "Referer": str(page.url)}
        return self.http.post(where, data=fields, headers=headers, follow_redirects=True)

    def do(self, path: str, **filled: str | None) -> httpx.Response:
        """Open the page of an action, fill it in, and send it."""
        page = self.get(path)
        assert page.status_code == 200, f"{page.status_code} at {path}: {words_of(page)}"
        return self.send(page, urlsplit(path).path, **filled)


@contextmanager
def visiting(
    bascule: Bascule, url: str, name: str, proof: Proof = Proof.TOTP, language: str = "en"
) -> Iterator[Visitor]:
    """Somebody who is enrolled, and signs in now."""
    cookie = Access(bascule.token, bascule.people.sign_in).cookie_name
    with httpx.Client(
        base_url=url,
        cookies={cookie: session(bascule, name, proof)},
        headers={"Accept-Language": language},
        timeout=30,
        trust_env=False,
    ) as http:
        yield Visitor(http)
