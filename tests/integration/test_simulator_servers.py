"""The Scaleway stand-in: the API's manners, and the real hosts behind it."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulator_fixture import ROOT, Simulator

BOOT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Api:
    """The vendor's API as its customers see it."""

    simulator: Simulator
    client: httpx.Client

    def create(self, name: str, *tags: str, **fields: Any) -> dict[str, Any]:
        body = {"name": name, "commercial_type": "DEV1-S", "image": "debian_bookworm", "tags": list(tags)} | fields
        answer = self.client.post("/servers", json=body)
        assert answer.status_code == 201, answer.text
        server: dict[str, Any] = answer.json()["server"]
        return server

    def act(self, server: dict[str, Any], action: str) -> int:
        return self.client.post(f"/servers/{server['id']}/action", json={"action": action}).status_code

    def when(self, server: dict[str, Any], state: str | None) -> dict[str, Any]:
        """The server once it is in that state, or gone for None."""
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            answer = self.client.get(f"/servers/{server['id']}")
            if answer.status_code == 404 and state is None:
                return server
            found: dict[str, Any] = answer.json()["server"]
            if found["state"] == state:
                return found
            assert found["state"] in ("starting", "stopping"), found
            time.sleep(0.02)
        raise AssertionError(f"{server['name']} was not {state or 'gone'} within {BOOT_SECONDS:g} s")

    def boot(self, name: str, *tags: str) -> dict[str, Any]:
        server = self.create(name, *tags)
        assert self.act(server, "poweron") == 202
        return self.when(server, "running")

    def ssh(self, server: dict[str, Any], script: str) -> str:
        done = self.try_ssh(server, script)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_ssh(
        self, server: dict[str, Any], script: str, key: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")
        key = key or self.simulator.data / "secrets" / "ssh-key"
        where = f"root@{server['public_ip']['address']}"
        command = ["ssh", "-F", "none", "-i", str(key), *(f"-o{option}" for option in options), where, script]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def api(fresh_simulator: Simulator) -> Iterator[Api]:
    base = f"{fresh_simulator.addresses['scaleway']}/instance/v1/zones/{fresh_simulator.zone}"
    token = {"X-Auth-Token": fresh_simulator.secret("scaleway-token")}
    with httpx.Client(base_url=base, headers=token, trust_env=False, timeout=20) as client:
        yield Api(fresh_simulator, client)


def test_a_server_is_a_real_host(api: Api) -> None:
    server = api.create("portal", "bascule-run=r1")
    assert (server["state"], server["public_ip"], server["public_ips"]) == ("stopped", None, [])
    assert api.act(server, "poweron") == 202
    assert api.client.get(f"/servers/{server['id']}").json()["server"]["state"] == "starting"
    server = api.when(server, "running")
    assert server["public_ip"]["address"] == api.simulator.server(10)
    told = api.ssh(
        server,
        "hostname; id -u; python3 -c 'print(6*7)'; service nginx start; service slapd start;"
        "curl -so /dev/null -w '%{http_code}\n' localhost;"
        "for try in 1 2 3 4 5 6 7 8 9; do ldapwhoami -x -H ldap://localhost 2>/dev/null && break; sleep 0.3; done;"
        "getent hosts id.valbourg.example | cut -d' ' -f1; cat /proc/1/comm;"
        f"curl -so /dev/null -w '%{{http_code}}\n' {api.simulator.addresses['s3-target-for-servers']}",
    )
    lines = [line for line in told.splitlines() if not line.startswith("Starting")]
    assert lines == ["portal", "0", "42", "200", "anonymous", api.simulator.service(81), "init", "403"]
    assert [(effect["action"], effect["tag"]) for effect in api.simulator.effects()] == [
        ("server.create", "bascule-run=r1"),
        ("server.poweron", "bascule-run=r1"),
    ]


def test_a_server_cannot_reach_the_operator_s_files(api: Api, tmp_path: Path) -> None:
    server = api.boot("portal")
    api.ssh(server, f"mkdir -p {tmp_path}; echo theirs > {tmp_path}/theirs")
    assert list(tmp_path.iterdir()) == []
    open_files = api.ssh(
        server, "for file in /proc/[0-9]*/fd/* /proc/[0-9]*/exe /proc/[0-9]*/cwd; do readlink $file; done"
    )
    assert "/usr/bin/python3" in open_files
    assert not [line for line in open_files.split() if line.startswith((str(ROOT), str(api.simulator.data)))]
    mount = "import ctypes, os; print(ctypes.CDLL(None, use_errno=True).mount(b'x', b'/mnt', b'tmpfs', 0, b''))"
    assert api.ssh(server, f'python3 -c "{mount}"') == "-1\n"
    for forbidden in (
        "mknod /tmp/disk b 254 0",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo x > /proc/sys/vm/drop_caches",
        "ip link set eth0 down",
    ):
        assert api.try_ssh(server, forbidden).returncode != 0, forbidden
    assert api.ssh(server, "ls /sys/fs/cgroup; ls /sys/class/net").split() == ["eth0", "lo"]
    others = api.ssh(server, "for file in /proc/[0-9]*/comm; do cat $file; done").split()
    assert "init" in others
    assert len(others) < 20


def test_only_the_registered_key_opens_it(api: Api, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    assert api.try_ssh(api.boot("portal"), "true", tmp_path / "other").returncode == 255


def test_nothing_is_left_of_a_terminated_server(api: Api) -> None:
    before = leftovers(api.simulator)
    servers = [api.boot("a"), api.boot("b")]
    api.ssh(servers[0], "setsid sleep 1000 > /dev/null 2>&1 < /dev/null & sleep 0.1")
    assert leftovers(api.simulator) != before
    for server in servers:
        assert api.act(server, "terminate") == 202
        api.when(server, None)
    settled = time.monotonic() + 5
    while leftovers(api.simulator) != before and time.monotonic() < settled:
        time.sleep(0.02)
    assert leftovers(api.simulator) == before
    assert (api.simulator.state()["servers"], api.simulator.state()["volumes"]) == ([], [])


def leftovers(simulator: Simulator) -> tuple[list[str], list[str], list[str]]:
    """Descendants, named namespaces and disks of the simulator, as the kernel has them."""
    inside = ["nsenter", f"--mount=/proc/{simulator.pid}/ns/mnt", "--"]

    def lines(*command: str) -> list[str]:
        return subprocess.run([*inside, *command], capture_output=True, text=True, check=True).stdout.split("\n")

    children = Path(f"/proc/{simulator.pid}/task")
    pids: list[str] = []
    for task in children.iterdir():
        with suppress(FileNotFoundError):  # a thread that ended while it was looked at
            pids += (task / "children").read_text().split()
    return sorted(pids), sorted(lines("ip", "netns", "list")), sorted(lines("ls", str(simulator.data / "disks")))


@pytest.mark.faults
def test_a_disk_outlives_a_reboot_and_not_its_server(api: Api) -> None:
    server = api.boot("portal")
    api.ssh(server, "echo kept > /root/note")
    assert api.act(server, "reboot") == 202
    server = api.when(server, "running")
    assert api.ssh(server, "cat /root/note") == "kept\n"
    assert api.act(server, "poweroff") == 202
    stopped = api.when(server, "stopped")
    assert stopped["public_ip"] is None
    assert api.client.delete(f"/servers/{server['id']}").status_code == 204
    assert api.ssh(api.boot("portal"), "ls /root") == ""


def test_user_data_reaches_the_server_and_scripts_run(api: Api) -> None:
    server = api.create("portal")
    script = "#!/bin/sh\necho done > /root/user-data\n"
    sent = api.client.patch(f"/servers/{server['id']}/user_data/cloud-init", content=script)
    assert sent.status_code == 204
    api.act(server, "poweron")
    server = api.when(server, "running")
    wait = "for i in $(seq 100); do test -s /root/user-data && break; sleep 0.02; done; cat /root/user-data"
    assert api.ssh(server, wait) == "done\n"


@pytest.mark.faults
def test_many_servers_at_once(api: Api) -> None:
    with ThreadPoolExecutor(5) as pool:
        servers = list(pool.map(api.boot, [f"s{number}" for number in range(5)]))
        names = list(pool.map(lambda server: api.ssh(server, "hostname"), servers))
    assert names == [f"s{number}\n" for number in range(5)]
    assert len({server["public_ip"]["address"] for server in servers}) == 5


def test_the_api_refuses_as_the_vendor_does(api: Api) -> None:
    anonymous = httpx.get(f"{api.client.base_url}/servers", trust_env=False)
    assert (anonymous.status_code, anonymous.json()["type"]) == (401, "denied_authentication")
    forged = api.client.get("/servers", headers={"X-Auth-Token": "x"})
    assert (forged.status_code, forged.json()["type"]) == (403, "permissions_denied")
    nowhere = api.client.get("/servers/nope")
    assert (nowhere.status_code, nowhere.json()["type"]) == (404, "unknown_resource")
    bad = api.client.post("/servers", json={"name": "x", "image": "debian_bookworm"})
    assert (bad.status_code, list(bad.json()["fields"])) == (400, ["commercial_type"])
    other = api.client.post(
        "/servers", json={"commercial_type": "DEV1-S", "image": "debian_bookworm", "project": "other"}
    )
    assert (other.status_code, other.json()["type"]) == (403, "permissions_denied")
    server = api.boot("portal")
    running = api.client.delete(f"/servers/{server['id']}")
    assert (running.status_code, running.json()["message"]) == (400, "instance should be powered off")
    assert api.act(server, "poweron") == 400


def test_lists_have_pages_and_filters(api: Api) -> None:
    for number in range(5):
        api.create(f"s{number}", f"n={number}", "all")
    page = api.client.get("/servers", params={"per_page": 2, "page": 3, "tags": "all"})
    assert (page.headers["X-Total-Count"], len(page.json()["servers"])) == ("5", 1)
    both = api.client.get("/servers", params={"tags": "all,n=3"}).json()["servers"]
    assert [server["name"] for server in both] == ["s3"]
    assert api.client.get("/servers", params={"project": "other"}).json()["servers"] == []


def test_the_quota_holds(api: Api) -> None:
    for number in range(20):
        api.create(f"s{number}")
    refused = api.client.post("/servers", json={"commercial_type": "DEV1-S", "image": "debian_bookworm"})
    assert refused.status_code == 403
    assert refused.json()["type"] == "quotas_exceeded"
    assert refused.json()["details"][0]["quota"] == 20


def test_a_creation_whose_answer_is_lost_happened(api: Api) -> None:
    api.simulator.faults({"service": "scaleway", "route": "POST */servers", "kind": "lose_answer"})
    with pytest.raises(httpx.RemoteProtocolError):
        api.create("portal")
    assert [server["name"] for server in api.simulator.state()["servers"]] == ["portal"]
    api.create("second")
    assert len(api.simulator.effects("server.create")) == 2


@pytest.mark.faults
def test_a_boot_can_fail_or_never_end(api: Api) -> None:
    rule = {"service": "scaleway", "route": "BOOT *"}
    api.simulator.faults(rule | {"kind": "refuse"}, rule | {"kind": "hang"})
    first, second = api.create("first"), api.create("second")
    assert api.act(first, "poweron") == 202
    assert api.when(first, "stopped")["state_detail"].startswith("boot failed")
    assert api.act(second, "poweron") == 202
    assert api.act(second, "terminate") == 400
    assert api.client.get(f"/servers/{second['id']}").json()["server"]["state"] == "starting"
    assert api.act(first, "poweron") == 202
    assert api.when(first, "running")


@pytest.mark.faults
def test_silence_ends_with_the_client_and_does_nothing(api: Api) -> None:
    rule = {"service": "scaleway", "route": "POST */servers"}
    api.simulator.faults(rule | {"kind": "hang", "skip": 1}, rule | {"kind": "delay", "seconds": 0.5, "times": 1})
    started = time.monotonic()
    api.create("delayed")
    assert time.monotonic() - started >= 0.5
    with pytest.raises(httpx.ReadTimeout):
        api.client.post("/servers", json={"commercial_type": "DEV1-S", "image": "debian_bookworm"}, timeout=0.3)
    assert [server["name"] for server in api.simulator.state()["servers"]] == ["delayed"]
    assert [fault["times"] for fault in api.simulator.faults_left()] == [0, 0]
