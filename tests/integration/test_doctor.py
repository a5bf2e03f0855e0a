"""`bascule doctor`: with a service and without one, its exit codes, 80 columns, no secret shown, nothing changed."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator.cli import main
from tests.integration.service_fixture import commit, estate_files, running_service
from tests.ovhcloud_stand_in import SECRETS as OVH_SECRETS
from tests.ovhcloud_stand_in import ovhcloud_stand_in
from tests.sealing import seal, unseal
from tests.signing_people import vouched
from tests.vendor_stand_ins import SECRETS, StandIn, cloud_stand_in, store_stand_in

SSH_KEY = (
    Ed25519PrivateKey.generate()
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    .decode()
)
COPY = """
runbook: desk-failover
service: desk
title: {fr: Bascule, en: Move}
parameters:
  bucket: {type: string, default: portal}
steps:
  objects:
    uses: storage.copy
    with:
      from: {store: source, bucket: "${{ parameters.bucket }}"}
      to: {store: target, bucket: "${{ parameters.bucket }}"}
    undo: none
  server:
    uses: compute.server
    with: {provider: [scaleway, ovhcloud], name: portal, resources: {cpu: 2, memory: 4}, image: debian-12}
    undo: none
  compare:
    uses: storage.verify
    with:
      from: {store: source, bucket: "${{ parameters.bucket }}"}
      to: {store: target, bucket: "${{ parameters.bucket }}"}
    needs: [objects]
"""


@dataclass
class Practice:
    """A data directory, an estate, and vendors whose requests are counted."""

    data: Path
    estate: Path
    vendors: list[StandIn]
    secrets: dict[str, str] = field(default_factory=dict)

    def store(self, reference: str, value: str) -> None:
        seal(self.data, "live", reference.removeprefix("secret://"), value)
        self.secrets[reference] = value

    def leave_open(self, reference: str, value: str, mode: int = 0o600) -> Path:
        path = self.data / "secrets/live" / reference.removeprefix("secret://")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(value)
        path.chmod(mode)
        return path

    def said(self, code: int, *arguments: str) -> str:
        """What the command prints, once it ended with this code; nothing was written outside, no secret told."""
        out, err = io.StringIO(), io.StringIO()
        before = [vendor.written() for vendor in self.vendors]
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setenv("COLUMNS", "80")
            with pytest.raises(SystemExit) as end:
                main(["--data", str(self.data), "--estate", str(self.estate), "doctor", *arguments])
        said = out.getvalue() + err.getvalue()
        assert end.value.code == code, said
        assert [vendor.written() for vendor in self.vendors] == before
        assert not any(value.strip() and value in said for value in self.secrets.values())
        assert "Traceback" not in said
        return said

    def examinations(self, code: int, *arguments: str) -> dict[str, dict[str, Any]]:
        found = json.loads(self.said(code, *arguments, "--json"))
        return {f"{one['kind']} {one['entry']}": one for one in found["examinations"]}


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    with ExitStack() as stack:
        scaleway = stack.enter_context(cloud_stand_in())
        ovhcloud = stack.enter_context(ovhcloud_stand_in())
        source = stack.enter_context(store_stand_in("source", "eu-west-1"))
        target = stack.enter_context(store_stand_in("target", "fr-par"))
        for store in (source, target):
            store.store.create_bucket("portal")
        scope = {
            "mode": "live",
            "networks": ["127.0.0.0/8"],
            "compute": {"scaleway": scaleway.block, "ovhcloud": ovhcloud.block},
            "storage": {"source": source.block, "target": target.block},
            "ssh": {"key": "secret://ssh-key"},
        }
        files = estate_files(9)
        head = files["bascule.yaml"].replace("{mode: live, networks: [127.0.0.0/8]}", json.dumps(scope))
        commit(tmp_path / "estate", {**files, "bascule.yaml": head, "runbooks/desk-failover.yaml": COPY})
        vouched(tmp_path / "estate", tmp_path / "data")
        found = Practice(tmp_path / "data", tmp_path / "estate", [scaleway, ovhcloud, source, target])
        for reference, value in {**SECRETS, **OVH_SECRETS, "secret://ssh-key": SSH_KEY}.items():
            found.store(reference, value)
        yield found


def test_a_scope_that_is_ready(practice: Practice) -> None:
    found = practice.examinations(0)
    assert list(found) == [
        "estate signatures",
        "secrets live",
        "compute ovhcloud",
        "compute scaleway",
        "storage source",
        "storage target",
        "ssh key",
        "plays sandbox",
    ]
    assert all(one["ok"] for one in found.values())
    told = {right["name"]: right["state"] for right in found["storage target"]["rights"]}
    assert told == {
        "list and read portal": "held",
        "read versioning of portal": "held",
        "read locks of portal": "held",
        "read uploads in parts of portal": "held",
        "write to portal": "unknown",
    }
    assert "list and read portal" in {right["name"] for right in found["storage source"]["rights"]}
    assert "find image debian-12" in {right["name"] for right in found["compute ovhcloud"]["rights"]}


def test_it_reads_well_at_80_columns(practice: Practice) -> None:
    practice.store("secret://forgotten", "left behind")
    practice.store("secret://ovh-consumer-key", "another")
    said = practice.said(1)
    assert max(map(len, said.splitlines())) <= 80
    assert "! too wide: secrets live" in said
    assert "✘ not ready: compute ovhcloud, OVHcloud GRA11" in said
    assert "✔ ready: storage source" in said
    assert said.rstrip().endswith("8 entries examined, 1 entry not ready, 1 needless right.")


def test_needless_rights_are_warnings(practice: Practice) -> None:
    practice.store("secret://forgotten", "left behind")
    said = practice.said(0)
    assert "! needless" in said
    assert "secret://forgotten" in said


@pytest.mark.every_day("None-bascule secrets set live ssh-key")
@pytest.mark.parametrize(
    ("value", "advice"),
    [(None, "bascule secrets set live ssh-key"), (SSH_KEY, "bascule secrets seal")],
)
def test_a_live_secret_is_sealed_or_does_not_do(practice: Practice, value: str | None, advice: str) -> None:
    unseal(practice.data, "live", "ssh-key")
    if value is not None:
        practice.leave_open("secret://ssh-key", value)
    found = practice.examinations(1)
    (missing,) = [right for right in found["secrets live"]["rights"] if right["state"] == "missing"]
    assert missing["name"] == "secret://ssh-key"
    assert advice in missing["advice"]
    assert not found["ssh key"]["ok"]


@pytest.mark.faults
def test_a_scope_that_does_not_exist(practice: Practice) -> None:
    assert "has no scope 'life'" in practice.said(1, "--scope", "life")


def test_a_scope_without_anything(practice: Practice) -> None:
    found = practice.examinations(0, "--scope", "rehearsal")
    assert list(found) == ["estate signatures", "secrets rehearsal"]


def test_beside_a_service_the_service_is_asked(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        answer = service.http.post("/api/v1/doctor", json={"scope": "drill"})
        assert answer.status_code == 200
        assert answer.json()["ok"] is True
        assert service.http.post("/api/v1/doctor", json={"scope": "nowhere"}).status_code == 422
        service.bascule.announce_address(service.url)
        out = io.StringIO()
        with redirect_stdout(out), pytest.raises(SystemExit) as end:
            main(["--data", str(service.bascule.paths.data), "doctor", "--scope", "drill", "--json"])
        assert end.value.code == 0
        assert json.loads(out.getvalue()) == answer.json()
