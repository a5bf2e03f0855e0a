"""`bascule map`, its API and its page: against the servers of a constructed organisation."""

import io
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from orchestrator.app import Bascule, Settings
from orchestrator.cli import main
from orchestrator.domain.model import StepState
from orchestrator.store import runs, tables
from orchestrator.store.inventory_files import save_inventory
from providers.inventory import Inventory, Server
from tests.integration.service_fixture import RunningService, commit, open_port, serving
from tests.integration.test_map_discovery import CLOCKS
from tests.mapped_organisation import NET, construct, organisation

DOMAINS = 6
SHEET = """
estate: communes
title: {{fr: Communes, en: Municipalities}}
services:
  mail:
    title: {{fr: Messagerie, en: Mail}}
    vendor: big-office
    target: mailo
    failover: mail-failover
    rpo: 1h
  visio: {{title: {{fr: Visio, en: Meetings}}, vendor: zoomed, target: mailo}}
scopes:
  rehearsal: {{mode: rehearsal, networks: [127.0.0.0/8]}}
  live: {scope}
"""
RUNBOOK = """
runbook: mail-failover
service: mail
title: {fr: Bascule, en: Failover}
steps:
  answers:
    uses: probe.tcp
    with: {host: 127.0.0.1, port: PORT}
    expect: 1s
"""
VENDOR = """
vendor: NAME
title: {fr: "TITLE <fr>", en: "TITLE <en>"}
company: TITLE Ireland
jurisdiction: IE
control: {owner: TITLE Corporation, country: US}
serves: [mail, office]
recognised: RECOGNISED
sources: [{url: "https://x.test", says: x, date: 2026-11-25}]
"""


def vendor(name: str, title: str, recognised: str, more: str = "") -> str:
    return VENDOR.replace("NAME", name).replace("TITLE", title).replace("RECOGNISED", recognised) + more


@dataclass
class Communes:
    """An estate, the domains that it is about, and a data directory."""

    folder: Path
    domains: list[str]
    port: int

    @property
    def settings(self) -> Settings:
        return Settings(data=self.folder / "data", estate_url=str(self.folder / "estate"))

    def said(self, code: int, *arguments: str) -> tuple[str, str]:
        """What `bascule map` prints, on standard output and error, once it ended with this exit code."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name in [name for name in os.environ if name.startswith("BASCULE_")]:
                patch.delenv(name)
            patch.setenv("COLUMNS", "80")
            where = ["--data", str(self.settings.data), "--estate", self.settings.estate_url]
            with pytest.raises(SystemExit) as end:
                main([*where, "map", *arguments])
        assert end.value.code == code, f"{end.value.code}\n{out.getvalue()}\n{err.getvalue()}"
        assert "Traceback" not in out.getvalue() + err.getvalue()
        return out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def communes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Communes]:
    folder = tmp_path_factory.mktemp("communes")
    domains = construct(DOMAINS)
    (folder / "outside").mkdir()
    with organisation(folder / "outside", domains) as context, open_port() as port:
        files = {
            "bascule.yaml": SHEET.format(scope=json.dumps({"mode": "live", **context.scope})),
            "runbooks/mail-failover.yaml": RUNBOOK.replace("PORT", str(port)),
            "catalogue/vendors/big-office.yaml": vendor(
                "big-office", "Big Office", "{mx: ['*.bigoffice.test']}", CLOCKS
            ),
            "catalogue/vendors/zoomed.yaml": vendor("zoomed", "Zoomed", "{hosts: ['*.zoomed.test']}"),
        }
        commit(folder / "estate", files)
        yield Communes(folder, [domain.name for domain in domains], port)


def test_the_map_is_made_without_a_service_kept_and_shown_again(communes: Communes) -> None:
    out, _ = communes.said(0, *communes.domains)
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("Map of commune-00.example and 5 more domains, scope live, seen 20")
    assert re.search(r"^mail +Big Office <en> +IE/US +✔ declared +cname, mx", out, re.MULTILINE)
    assert "visio: Zoomed <en> is declared, and nothing of it is seen" in out
    assert "mail: mx.petit-hebergeur.test — commune-04.example MX mx.petit-hebergeur.test" in " ".join(out.split())
    assert "1 h: Big Office <en>, Token (mail)" in out
    assert "Stands alone" in out
    assert "1 with a runbook" in " ".join(out.split())
    assert "Not looked at" not in out
    before = json.loads(communes.said(0, "--last", "--json")[0])
    assert before["domains"] == communes.domains
    assert {one["standing"] for one in before["dependencies"]} == {"confirmed", "undeclared", "dead"}
    assert all(one["signs"] for one in before["dependencies"] if one["standing"] != "dead")


def test_what_can_not_be_mapped_is_said_in_a_sentence(communes: Communes) -> None:
    assert "'no domain' is no domain; name the organisation's own" in communes.said(1, "no domain")[1]
    assert "The estate has no scope 'drill'; it has live, rehearsal." in communes.said(1, "x.example", "-s", "drill")[1]
    assert "The scope live has no zones: name the organisation's domains." in communes.said(1)[1]
    assert "The scope has no `dns.resolvers` to ask" in communes.said(1, "x.example", "-s", "rehearsal")[1]
    assert "No map of scope rehearsal was ever made here" in communes.said(1, "--last", "-s", "rehearsal")[1]


def test_what_the_scope_does_not_reach_is_not_looked_at(communes: Communes) -> None:
    """A name may lead anywhere; only addresses within the scope's networks are ever connected to."""
    found = json.loads(communes.said(0, "commune-00.example", "unknown.example", "--json")[0])
    assert not found["unread"]
    estate = communes.folder / "estate" / "bascule.yaml"
    text = estate.read_text()
    try:
        commit(communes.folder / "estate", {"bascule.yaml": text.replace(f"{NET}.0.0/16", "127.99.0.0/16")})
        found = json.loads(communes.said(0, "commune-00.example", "--json")[0])
    finally:
        commit(communes.folder / "estate", {"bascule.yaml": text})
    assert any("is outside the networks of this scope" in one["message"] for one in found["unread"])
    assert not {sign["kind"] for one in found["dependencies"] for sign in one["signs"]} & {"issuer", "script", "login"}
    communes.said(0, *communes.domains)


@pytest.mark.faults
def test_the_table_of_addresses_is_refreshed_from_what_is_published(communes: Communes) -> None:
    aws = communes.folder / "ip-ranges.json"
    aws.write_text(json.dumps({"prefixes": [{"ip_prefix": f"{NET}.1.0/24", "service": "EC2"}]}))
    plain = communes.folder / "ips-v4"
    plain.write_text(f"{NET}.3.0/24\n")
    _, said = communes.said(0, "--refresh-networks", str(aws), "--refresh-networks", f"cloudflare={plain}")
    assert "AWS: 1 prefix from" in said
    try:
        found = json.loads(communes.said(0, "commune-00.example", "--json")[0])
        assert {"aws"} <= {one["holder"]["name"] for one in found["dependencies"]}
        assert "does not say whose prefixes it lists" in communes.said(1, "--refresh-networks", str(plain))[1]
        assert "can't be read (No such file" in communes.said(1, "--refresh-networks", "/nowhere")[1]
    finally:
        (communes.settings.data / "networks.json").unlink()
    communes.said(0, *communes.domains)


@pytest.fixture(scope="module")
def service(communes: Communes) -> Iterator[RunningService]:
    bascule = Bascule(communes.settings)
    bascule.start()
    try:
        with serving(bascule) as server:
            url, headers = server.url, {"Authorization": f"Bearer {bascule.token}"}
            with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as http:
                yield RunningService(bascule, url, http, communes.folder / "estate", communes.port, server)
    finally:
        bascule.stop()


def test_a_service_maps_and_says_what_was_tested(service: RunningService, communes: Communes) -> None:
    made = service.http.post("/api/v1/map", json={"domains": communes.domains})
    assert made.status_code == 200, made.text
    assert made.json()["coverage"]["tested"] == 0
    run = service.start(service.plan("mail")["digest"])
    service.wait(run, StepState.SUCCEEDED.value)
    found = service.http.get("/api/v1/map").json()
    assert found["coverage"]["tested"] == found["coverage"]["runbook"] == 1
    (mail,) = [one for one in found["dependencies"] if one["holder"]["name"] == "big-office"]
    assert (mail["runbook"], mail["tested"], mail["fresh"], mail["holder"]["exposed"]) == (True, True, False, True)
    assert communes.said(0, "--last", "--json")[0] == json.dumps(found, ensure_ascii=False, indent=2) + "\n"
    assert service.http.get("/api/v1/map", params={"scope": "rehearsal"}).status_code == 404
    assert service.http.post("/api/v1/map", json={"domains": ["<script>"]}).status_code == 422


def test_what_was_inventoried_and_copied_counts(service: RunningService, communes: Communes) -> None:
    """A vendor's inventory shows that it is depended on; a drill's copy makes data fresh, a rehearsal's does not."""
    now = time.time()
    server = Server("i-1", "web", "t3.micro", "running", "ami-1")
    inventory = Inventory("live", "account", "aws", "eu-west-3", {"servers": now}, servers=(server,))
    save_inventory(service.bascule.paths.inventories, "live", "account", now, inventory.as_json())

    def seen() -> tuple[bool, set[str]]:
        found = service.http.get("/api/v1/map").json()
        mail = next(one for one in found["dependencies"] if one["holder"]["name"] == "big-office")
        inside = {
            sign["evidence"] for one in found["dependencies"] for sign in one["signs"] if sign["kind"] == "inside"
        }
        return mail["fresh"], inside

    assert seen() == (False, {"inventory of account: servers 1"})
    for mode, fresh in (("rehearsal", False), ("drill", True)):
        record_copy(service, f"copy-{mode}", mode, now)
        assert seen()[0] is fresh


def record_copy(service: RunningService, run_id: str, mode: str, at: float) -> None:
    """A run as it stands in the journal's rows once its copy of mail has succeeded."""
    head = {"plan_digest": "sha256:copy", "commit": "x", "scope": mode, "direction": "failover", "services": ["mail"]}
    who = {"requested_by": "olga", "reason": "", "releases_needed": 0, "created_at": at}
    copy = runs.NewStep("mail-failover/copy", "storage.copy", {"service": "mail"}, ())
    with service.bascule.database.write() as conn:
        runs.save_plan(conn, "sha256:copy", "x", at, {})
        runs.insert_run(conn, {"id": run_id, "mode": mode, **head, **who}, [copy])
        ended = {"state": StepState.SUCCEEDED.value, "ended_at": at}
        conn.execute(sa.update(tables.steps).where(tables.steps.c.run_id == run_id).values(**ended))
        conn.execute(sa.update(tables.runs).where(tables.runs.c.id == run_id).values(state="undone", ended_at=at))


def test_only_who_has_the_token_sees_the_map(service: RunningService) -> None:
    with httpx.Client(base_url=service.url, trust_env=False) as stranger:
        assert stranger.get("/api/v1/map").status_code == 401
        assert stranger.post("/api/v1/map", json={"domains": ["x.example"]}).status_code == 401
        assert stranger.get("/map").status_code == 401


@pytest.mark.every_day("fr-words1")
@pytest.mark.parametrize(
    ("language", "words"), [("en", ("Dependencies", "not declared")), ("fr", ("Dépendances", "non déclarée"))]
)
def test_the_page_draws_it_and_says_the_same_in_a_table(
    service: RunningService, communes: Communes, language: str, words: tuple[str, str]
) -> None:
    service.http.post("/api/v1/map", json={"domains": communes.domains})
    answer = service.http.get("/map", params={"lang": language})
    assert answer.status_code == 200, answer.text
    page = answer.text
    assert all(word in page for word in words)
    assert f"Big Office &lt;{language}&gt;" in page
    assert re.findall(r"<script(?! src=\"/static/)", page) == []
    assert 'style="' not in page
    found = service.http.get("/api/v1/map").json()
    holders = {one["holder"]["name"] for one in found["dependencies"]}
    drawn = re.findall(r'<path class="map-line" data-standing="(\w+)"', page)
    assert drawn.count("law") == len(holders)
    assert len(drawn) == len(found["dependencies"]) + len(holders)
    assert page.count('<th scope="row">') == len(found["dependencies"])
    assert service.http.get("/map", params={"scope": "rehearsal"}).text.count("bascule map DOMAIN…") == 1
