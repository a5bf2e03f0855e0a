"""The pages of signals, proposals, standing approvals and the map, asked as a browser asks: no script, forms alone."""

import html
import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import yaml

from orchestrator.domain.people.role import Role
from orchestrator.store import observations
from orchestrator.web.edge.access import Access
from tests.integration.service_fixture import RunningService, commit, running_service, until
from tests.known_people import enrol, session
from tests.signal_senders import alert, alertmanager, as_bytes, proven, store_secrets
from tests.unit.signals_readings import HOUR, as_it_is, refused, rounds

MORE = """
policy:
  proposals:
    microsoft-gone:
      when: {vendor: microsoft-365, verdict: cut, for: 15m}
      propose: [phone]
      scope: drill
      arm: 30m
      release: standing-approval
      notify: [duty]
    american-law:
      when: {jurisdiction: US, verdict: eroding, for: 6h}
      scope: drill
  warnings: {scope: drill, notify: [duty]}
signals:
  sources:
    alertmanager:
      format: alertmanager
      auth: {bearer: secret://alertmanager}
      trust_domain: own-prometheus
    zabbix:
      format: zabbix
      auth: {token: secret://zabbix, header: X-Zabbix-Token}
      trust_domain: own-zabbix
"""
BOTH = ("microsoft-365", "aws")
DUTY = "prefix: drill-, notify: {duty: {driver: apprise, url: 'secret://duty'}}, smtp: {helo: bascule.trial.example},"


@contextmanager
def resolver() -> Iterator[int]:
    """A name server that knows no name at all (RFC 1035 §4.1.1, RCODE 3); its port."""

    class Unknown(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked, reply = self.request
            reply.sendto(asked[:2] + b"\x81\x83" + asked[4:6] + bytes(6) + asked[12:], self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Unknown) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Microsoft refuses everything for an hour, and its proposal is armed."""
    with running_service(tmp_path_factory.mktemp("signals"), more=MORE) as made, resolver() as port:
        store_secrets(made.bascule.settings.data)
        sheet = (made.estate / "bascule.yaml").read_text()
        commit(
            made.estate,
            {"bascule.yaml": sheet.replace("prefix: drill-,", f"{DUTY} dns: {{resolvers: ['127.0.0.1:{port}']}},")},
        )
        made.http.post("/api/v1/estate/sync", json={}).raise_for_status()
        begun = time.time() - 2 * HOUR
        with made.bascule.database.write() as conn:
            for one in [*rounds(1, as_it_is, BOTH, start=begun), *rounds(1, refused, BOTH, start=begun + HOUR)]:
                observations.add(conn, one, one.at)
        for name in ("anne", "bruno", "olga"):
            enrol(made.bascule.database, name, Role.APPROVER, Role.OPERATOR)
        enrol(made.bascule.database, "victor", Role.VIEWER)
        until(lambda: made.http.get("/api/v1/proposals").json()["proposals"], 40, lambda: "nothing is proposed")
        yield made


@pytest.fixture
def browsing(service: RunningService) -> Iterator["Browsing"]:
    made = Browsing(service)
    yield made
    made.close()


class Browsing:
    """A browser without a script: a cookie, and forms with what their pages hold."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._clients: dict[str, httpx.Client] = {}

    def _of(self, name: str) -> httpx.Client:
        if name not in self._clients:
            bascule = self._service.bascule
            cookie = Access(bascule.token, bascule.people.sign_in).cookie_name
            cookies, headers = {cookie: session(bascule, name)}, {"Origin": self._service.url}
            self._clients[name] = httpx.Client(
                base_url=self._service.url, cookies=cookies, headers=headers, timeout=30, trust_env=False
            )
        return self._clients[name]

    def page(self, name: str, place: str, status: int = 200) -> str:
        answer = self._of(name).get(place)
        assert answer.status_code == status, text_of(answer.text)
        return html.unescape(answer.text)

    def send(self, name: str, place: str, status: int = 200, **typed: str) -> str:
        found = re.search(r'name="page_token" value="([0-9a-f]+)"', self._of(name).get(place).text)
        assert found is not None, place
        answer = self._of(name).post(place.partition("?")[0], data={"page_token": found[1], **typed})
        if answer.status_code == 303:
            return self.page(name, answer.headers["location"], status)
        assert answer.status_code == status, text_of(answer.text)
        return html.unescape(answer.text)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_a_vendors_page_says_why_and_what_comes_next(browsing: Browsing) -> None:
    page = browsing.page("victor", "/signals/microsoft-365?since=6h&lang=en")
    said = text_of(page)
    for stands in (
        "Refused: sign-in · token-refresh", "vouched for by own, peer", "The controls are healthy",
        "2 trust domains hold something against it; 2 are needed", "2 aspects are concerned",
        "At this moment the observations say: cut", "The rule microsoft-gone has proposed to move Switchboard",
        "once US has been eroding for 6 h", "or lost wholly for 24 h",
    ):  # fmt: skip
        assert stands in said, stands
    assert page.count('data-kind="denied"') >= 4, "two aspects of two trust domains, drawn"
    assert re.search(r"\d+ × refused: ", said), "and told"
    assert 'href="/services/phone"' in page
    assert "/acknowledge" not in page, "a viewer is offered nothing"
    french = text_of(browsing.page("victor", "/signals/jurisdiction:US?lang=fr"))
    assert "Juridiction US" in french
    browsing.page("victor", "/signals/nobody", 404)
    browsing.page("victor", "/signals/microsoft-365?since=9y", 422)


def test_it_is_acknowledged_by_a_form(browsing: Browsing, service: RunningService) -> None:
    place = "/signals/microsoft-365/acknowledge"
    assert f'href="{place}"' in browsing.page("olga", "/signals?lang=en")
    done = browsing.send("olga", place, reason="seen at the <b>desk")
    assert "Acknowledged, in your name." in done
    assert "Acknowledged by olga" in done
    assert "seen at the <b>desk" in done
    assert place not in browsing.page("olga", "/signals")
    browsing.page("victor", place, 403)


def test_what_no_rule_speaks_of_comes_with_a_rule_for_it(browsing: Browsing, service: RunningService) -> None:
    post = proven("alertmanager", as_bytes(alertmanager(alert(alertname='Login to "Microsoft 365"'))))
    sent = httpx.post(f"{service.url}/webhooks/alertmanager", content=post.body, headers=dict(post.headers))
    assert sent.json()["unmapped"] == 1
    page = browsing.page("victor", "/signals?lang=en")
    rule = re.search(r"<pre[^>]*>(signals:.*?)</pre>", page, re.DOTALL)
    assert rule is not None
    (mapped,) = yaml.safe_load(rule[1])["signals"]["sources"]["alertmanager"]["map"]
    assert mapped == {"match": {"alertname": 'Login to "Microsoft 365"'}, "vendor": "microsoft-365", "aspect": "auth"}
    told = {one["name"]: one for one in service.http.get("/api/v1/signals/sources").json()["sources"]}
    assert told["zabbix"]["silent"]
    assert told["zabbix"]["heard_at"] is None
    assert not told["alertmanager"]["silent"]
    assert told["alertmanager"]["heard_at"] > time.time() - 60
    assert "Silent never Without a delivery for 12 h" in text_of(page)


def test_a_standing_approval_is_asked_for_and_taken_back(browsing: Browsing, service: RunningService) -> None:
    browsing.page("victor", "/standing/new", 403)
    assert 'href="/standing/new"' in browsing.page("olga", "/standing?lang=en")
    wrong = browsing.send(
        "olga", "/standing/new", 422, rule="microsoft-gone", days="30", held_for="soon", reason="nights"
    )
    assert "is no duration" in wrong
    assert "nights" in wrong, "what was typed is still there"
    browsing.send("olga", "/standing/new", 422, rule="american-law", days="30")
    done = browsing.send("olga", "/standing/new", rule="microsoft-gone", days="10", held_for="1h", reason="nights")
    said = text_of(done)
    assert "Asked for. Others must sign it now." in said
    assert "when microsoft-365 has been cut for 1 h, Switchboard is moved by itself" in said
    (asked,) = service.http.get("/api/v1/standing-approvals").json()["standing_approvals"]
    sign = f'href="/approve/standing/{asked["id"]}"'
    assert sign not in done, "who asked does not sign"
    assert sign in browsing.page("anne", "/standing")
    place = f"/standing/{asked['id']}/revoke"
    refused = browsing.send("bruno", place, 422, reason="not tonight", confirm="yes")
    assert "nothing was done" in refused
    gone = text_of(browsing.send("bruno", place, reason="not tonight", confirm=asked["id"]))
    assert "Taken back by bruno" in gone
    assert "not tonight" in gone
    assert browsing.send("bruno", place, 409, reason="again", confirm=asked["id"])


def test_a_proposal_is_read_and_rejected(browsing: Browsing, service: RunningService) -> None:
    (waiting,) = service.http.get("/api/v1/proposals").json()["proposals"]
    page = browsing.page("anne", f"/proposals/{waiting['id']}?lang=en")
    said = text_of(page)
    for stands in (
        "Proposed: move Switchboard", "2 people must release it; nothing starts by itself", "Refused: sign-in",
        "Armed: its plan is there", "the rule microsoft-gone",
    ):  # fmt: skip
        assert stands in said, stands
    assert f'data-ends="{waiting["armed_until"]}"' in page
    for link in (f"/plans/{waiting['digest']}", f"/approve/proposal/{waiting['id']}", "/services/phone"):
        assert f'href="{link}"' in page, link
    assert "/approve/" not in browsing.page("victor", f"/proposals/{waiting['id']}")
    place = f"/proposals/{waiting['id']}/reject"
    assert "is empty: nothing was done" in browsing.send("anne", place, 422, reason=" ")
    gone = text_of(browsing.send("anne", place, reason="a fault of ours"))
    assert "Rejected. Nothing was changed." in gone
    assert "Rejected by anne" in gone
    assert "a fault of ours" in gone
    past = text_of(browsing.page("victor", "/proposals?lang=fr"))
    assert "Rien n’est proposé pour le moment" in past
    assert "Refusée par anne" in past
    after = text_of(browsing.page("victor", "/signals/microsoft-365?lang=en"))
    assert "people have decided. It proposes nothing more before microsoft-365 has been better than cut" in after


def test_a_map_is_made_from_its_page(browsing: Browsing) -> None:
    assert 'href="/map/make?scope=drill"' in browsing.page("olga", "/map?scope=drill&lang=en")
    assert "/map/make" not in browsing.page("victor", "/map?scope=drill")
    browsing.page("victor", "/map/make", 403)
    wrong = browsing.send("olga", "/map/make", 422, scope="drill", domains="not a domain!")
    assert "A domain is written such as town.example" in wrong
    made = browsing.send("olga", "/map/make?scope=drill", scope="drill", domains="town.invalid")
    assert "Looked at just now." in text_of(made)
    assert 'href="/map?scope=drill" aria-current="true"' in made
    itself = text_of(browsing.send("olga", "/map/self", scope="rehearsal"))
    assert "What Bascule relies on, the worst first" in itself
    assert "journal and queue" in itself
