"""The long-lived set-up: one simulator, one estate with a runbook per case, one service, one node for plays."""

import itertools
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import httpx
import yaml

from orchestrator.app import Settings
from orchestrator.store.database import Database
from providers.base import Context, Secret
from providers.storage.content import Content
from providers.storage.store import Bucket
from providers.vendor_http import Deadline
from tests.faults.cases import Case, cases
from tests.faults.desk import ServiceProcess
from tests.simulator_fixture import Simulator
from tests.town_hall import PLAYBOOKS, commit_estate

ESTATE = Path(__file__).with_name("estate")
NODE_SECONDS = 20.0
WORDS = {"fr": "Essai d'interruption", "en": "Crash test"}


_marks = itertools.count(1)
"""For all stands: they share the simulator."""


class Stand:
    """Where all crash points of a test session happen, each under a mark of its own.

    `new_database` answers the URL of an empty database; empty for the embedded one.
    """

    def __init__(self, simulator: Simulator, directory: Path, new_database: Callable[[], str] = str) -> None:
        self.simulator = simulator
        self.directory = directory
        self._new_database = new_database
        draft = directory / "draft"
        write_estate(draft)
        self._estate = commit_estate(directory / "estate", simulator.index, draft)
        sheet = yaml.safe_load((self._estate / "bascule.yaml").read_text())
        self.scope: Mapping[str, Any] = sheet["scopes"]["rehearsal"]
        self._lives = itertools.count(1)
        self.service, self.database = self._begin()
        self.node = self.make_server(f"node-{self.new_mark()}", "bascule", "bascule-run=stand")

    def stop(self) -> None:
        self.database.close()
        self.service.stop()

    def begin_anew(self) -> None:
        """A point failed: what it left in the service's data must not spoil the others."""
        if self.service.alive:
            self.service.kill()
        self.database.close()
        self.service, self.database = self._begin()

    def _begin(self) -> tuple[ServiceProcess, Database]:
        data = self.directory / f"data-{next(self._lives)}"
        (data / "secrets").mkdir(parents=True)
        shutil.copytree(self.simulator.data / "secrets", data / "secrets" / "rehearsal")
        service = ServiceProcess(Settings(data, str(self._estate), database_url=self._new_database()))
        service.start()
        return service, Database(service.settings.database)

    def new_mark(self) -> str:
        """A name that no other point's name contains."""
        return f"k{next(_marks):04d}k"

    def prepare(self, case: Case, mark: str) -> None:
        """What the case needs outside before its plan is made."""
        if case.before:
            PREPARE[case.before](self, mark)

    def clear(self, mark: str) -> None:
        """Let go the servers of a point, so that the quota serves all of them."""
        self.simulator.faults()
        with self._cloud() as cloud:
            for server in cloud.get("/servers", params={"name": mark}).json()["servers"]:
                cloud.post(f"/servers/{server['id']}/action", json={"action": "terminate"})

    def make_server(self, name: str, *tags: str, size: str = "DEV1-S") -> str:
        """A server that runs; its address."""
        body = {"name": name, "commercial_type": size, "image": "debian_bookworm", "tags": list(tags)}
        with self._cloud() as cloud:
            server = cloud.post("/servers", json=body).raise_for_status().json()["server"]
            cloud.post(f"/servers/{server['id']}/action", json={"action": "poweron"}).raise_for_status()
            end = time.monotonic() + NODE_SECONDS
            while (server := cloud.get(f"/servers/{server['id']}").json()["server"])["state"] != "running":
                assert time.monotonic() < end, f"{name} is {server['state']}"
                time.sleep(0.05)
        return str(server["public_ip"]["address"])

    def change_names(self, *lines: str, ttl: int = 300) -> None:
        """Add records to the zone, as its owner; `ttl` in seconds."""
        key = dns.tsigkeyring.from_text({"bascule.": self.simulator.secret("dns-tsig").strip()})
        message = dns.update.UpdateMessage("valbourg.example.", keyring=key, keyalgorithm="hmac-sha256")
        for line in lines:
            name, kind, value = line.split(" ", 2)
            message.add(name, ttl, kind, value)
        assert dns.query.tcp(message, self.simulator.service(53), 5).rcode() == dns.rcode.NOERROR

    def put_object(self, bucket: str, key: str, content: bytes) -> None:
        """An object of somebody else's at the target."""
        place = Bucket(self._context(), "target", bucket, Deadline(10))
        place.create()
        with Content.of(content, self.directory) as whole:
            place.upload(key, whole, {"content-type": "text/html"}, {"owner": "somebody"})

    def on_node(self, script: str) -> str:
        """What a shell on the node says."""
        key = self.simulator.data / "secrets" / "ssh-key"
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")
        command = ["ssh", "-F", "none", "-i", str(key), *(f"-o{option}" for option in options), f"root@{self.node}"]
        return subprocess.run([*command, script], capture_output=True, text=True, timeout=20, check=True).stdout

    def _cloud(self) -> httpx.Client:
        base = f"{self.simulator.addresses['scaleway']}/instance/v1/zones/{self.simulator.zone}"
        headers = {"X-Auth-Token": self.simulator.secret("scaleway-token").strip()}
        return httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=10)

    def _context(self) -> Context:
        def reveal(reference: str) -> Secret:
            return Secret(self.simulator.secret(reference.removeprefix("secret://")).strip())

        return Context(self.scope, reveal, self.directory, self.directory)


def _server(stand: Stand, mark: str) -> None:
    stand.make_server(f"s-{mark}", "bascule", "bascule-run=earlier", "bascule-step=server")


def _server_with_volume(stand: Stand, mark: str) -> None:
    """A block volume outlives its server at the vendor, so releasing both is several calls."""
    stand.make_server(f"s-{mark}", "bascule", "bascule-run=earlier", "bascule-step=server", size="PLAY2-PICO")


def _address(stand: Stand, mark: str) -> None:
    stand.change_names(f"h-{mark} A {stand.simulator.service(80)}")


def _short_lived(stand: Stand, mark: str) -> None:
    """A TTL that caches keep for longer than an attempt looks, and no longer than a test may take."""
    stand.change_names(f"t-{mark} A 198.18.0.1", ttl=5)


def _mail_records(stand: Stand, mark: str) -> None:
    stand.change_names(
        f"m-{mark} MX 0 valbourg-example.mail.protection.outlook.test.",
        f"auto-m-{mark} CNAME autodiscover.outlook.test.",
    )


def _other_object(stand: Stand, mark: str) -> None:
    stand.put_object(f"t-{mark}", "demarches/etat-civil.html", b"<p>what was there before</p>")
    stand.put_object(f"t-{mark}", "demarches/only-here.html", b"<p>nobody else has this</p>")


PREPARE: Mapping[str, Callable[[Stand, str], None]] = {
    "server": _server,
    "server_with_volume": _server_with_volume,
    "address": _address,
    "short_lived": _short_lived,
    "mail_records": _mail_records,
    "other_object": _other_object,
}


def write_estate(target: Path) -> None:
    """The estate of the cases: a service and a runbook each, in the starter estate's rehearsal scope."""
    shutil.copytree(ESTATE, target)
    (target / "runbooks").mkdir()
    scope = yaml.safe_load((PLAYBOOKS / "bascule.yaml").read_text())["scopes"]["rehearsal"]
    origin = {"uses": "probe.tcp", "with": {"host": "127.77.0.80", "port": 80}}
    services = {
        name: {"title": WORDS, "vendor": "aws", "target": "scaleway", "failover": name, "origin": origin}
        for name in cases()
    }
    sheet = {"estate": "crashes", "title": WORDS, "services": services, "scopes": {"rehearsal": scope}}
    (target / "bascule.yaml").write_text(yaml.safe_dump(sheet))
    for name, case in cases().items():
        parameters = {"mark": {"type": "string"}, "node": {"type": "hostname"}}
        runbook = {"runbook": name, "service": name, "title": WORDS, "parameters": parameters, "steps": case.steps}
        (target / "runbooks" / f"{name}.yaml").write_text(yaml.safe_dump(runbook))
