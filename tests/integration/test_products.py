"""What the starter estate's products become on a server: units, environments and the proxy, rendered by the play.

One play renders all products on one simulated server, whose nginx then tries their proxies. Nothing is installed:
there is no registry and no image here, and the product files say that nobody has run them yet.
"""

import configparser
import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml

from orchestrator.catalogue_files import shipped
from providers.ansible import AnsiblePlay
from providers.base import Context, Finding, Presence, Secret, Tag
from providers.compute.server import ComputeServer
from providers.wants import Play, Server
from tests.certificates import self_signed
from tests.contract.suite import refused
from tests.simulator_fixture import Simulator
from tests.town_hall import PLAYBOOKS, commit_estate

pytest_plugins = ["tests.simulator_fixture"]

PRODUCTS = sorted(path.stem for path in (PLAYBOOKS / "ansible/products").glob("*.yml"))
AGAIN = "visio"
"""Rendered a second time, after all others."""
SECRET = "s3cret-for-{}"
RENDER = """
- name: All products
  hosts: all
  gather_facts: false
  tasks:
    - name: One
      ansible.builtin.include_role: {name: prestaged_service, tasks_from: render, public: false}
      vars: {host: "{{ product }}.example.eu"}
      loop: "{{ products }}"
      loop_control: {loop_var: product}
    - name: The proxies as nginx sees them
      ansible.builtin.command: {argv: [nginx, -t, -q]}
      changed_when: false
    - name: What was written
      ansible.builtin.shell:
        cmd: |
          find /etc/bascule /etc/containers -type f -printf '%p %m\\n'
      register: written
      changed_when: false
    - name: Hand it out
      ansible.builtin.set_stats:
        data: {modes: "{{ written.stdout_lines }}"}
"""
READ = """
import json, pathlib
print(json.dumps({
    str(path): path.read_text()
    for folder in ("bascule", "containers", "nginx/sites-enabled")
    for path in pathlib.Path("/etc", folder).rglob("*")
    if path.is_file() and path.suffix != ".key"
}))
"""
"""What a product has on a server, but for the keys of certificates."""
QUADLET = {
    "Unit": {"description", "requires", "after"},
    "Container": {
        "containername",
        "image",
        "pull",
        "network",
        "podmanargs",
        "environmentfile",
        "publishport",
        "volume",
        "addcapability",
        "exec",
    },
    "Service": {"restart", "restartsec", "timeoutstartsec"},
    "Install": {"wantedby"},
}
"""Keys of podman-systemd.unit(5) in version 4.9 and later, and of systemd, that the units may use."""


def spec(product: str) -> dict[str, Any]:
    found = yaml.safe_load((PLAYBOOKS / f"ansible/products/{product}.yml").read_text())
    assert isinstance(found, dict)
    return found


@dataclass(frozen=True)
class Rendered:
    """The files of a server, by path, and their modes."""

    files: dict[str, str]
    modes: dict[str, str]
    changes: list[str]

    def units(self, product: str) -> dict[str, configparser.RawConfigParser]:
        start = f"/etc/containers/systemd/{product}-"
        return {
            path.removeprefix(start).removesuffix(".container"): parsed(text)
            for path, text in self.files.items()
            if path.startswith(start)
        }


class _Repeated(dict[str, Any]):
    """Keys of a unit may be there several times: their values are joined by newlines."""

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, list) and key in self and isinstance(self[key], list):
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def parsed(text: str) -> configparser.RawConfigParser:
    found = configparser.RawConfigParser(strict=False, dict_type=_Repeated, delimiters=("=",))
    found.read_string(text)
    return found


@dataclass(frozen=True)
class Ground:
    """A server, what plays are given there, and the estate that they are of."""

    context: Context
    address: str
    variables: dict[str, Any]

    def play(self, name: str, run: str, more: dict[str, Any], say: Callable[[str], None]) -> Finding:
        at = replace(self.context, workspace=self.context.workspace.parent / run)
        want = Play(play=f"ansible/{name}", hosts={"host": self.address}, vars=self.variables | more)
        return AnsiblePlay(at).apply(want, Tag("run-1", run), {}, say)

    def ssh(self, command: str, given: str = "") -> str:
        (self.context.workspace / "key").write_text(self.context.reveal("secret://ssh-key").reveal() + "\n")
        (self.context.workspace / "key").chmod(0o600)
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        full = ["ssh", "-i", str(self.context.workspace / "key"), *options, f"root@{self.address}", command]
        return subprocess.run(full, input=given, check=True, capture_output=True, text=True, timeout=20).stdout


@pytest.fixture(scope="module")
def ground(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    simulator.reset()
    folder = tmp_path_factory.mktemp("products")
    estate = commit_estate(folder / "estate", simulator.index)
    (estate / "ansible/render.yml").write_text(RENDER)
    cloud = {
        "driver": "scaleway",
        "url": simulator.addresses["scaleway"],
        "zone": simulator.zone,
        "project": simulator.project,
        "organization": simulator.organization,
        "token": "secret://scaleway-token",
    }
    (folder / "run-1/server").mkdir(parents=True)
    context = Context(
        scope={
            "networks": ["127.0.0.0/8", "198.18.0.0/15"],
            "compute": {"scaleway": cloud},
            "ssh": {"user": "root", "port": 22, "key": "secret://ssh-key"},
        },
        reveal=lambda reference: Secret(simulator.secret(reference.removeprefix("secret://")).strip()),
        workspace=folder / "run-1/server",
        estate=estate,
        deadline=100.0,
    )
    certificate, key = self_signed([f"{product}.example.eu" for product in PRODUCTS])
    names = {name for product in PRODUCTS for name in spec(product)["secrets"]}
    variables = {name: SECRET.format(name) for name in sorted(names)} | {
        "certificate": certificate,
        "certificate_key": key,
        **{name: f"{name}.example.eu" for name in ("standby", "second", "files_host")},
        "address": "192.0.2.7",
        "oidc": "https://id.example.eu/realms/town",
        "admin_mail": "admin@example.eu",
    }
    return Ground(context, made_server(context), variables)


@pytest.fixture(scope="module")
def rendered(ground: Ground) -> Rendered:
    lines: list[str] = []
    done = ground.play("render.yml", "render", {"products": [*PRODUCTS, AGAIN]}, lines.append)
    assert done.presence is Presence.OURS
    modes = dict(line.rsplit(" ", 1) for line in done.outputs["modes"])
    return Rendered(json.loads(ground.ssh("python3 -", READ)), modes, lines)


def made_server(context: Context) -> str:
    server = Server(provider="scaleway", name="products", size="DEV1-S", image="debian_bookworm")
    end = time.monotonic() + 30
    while (made := ComputeServer(context).apply(server, Tag("run-1", "server"), {}, print)).presence != Presence.OURS:
        assert time.monotonic() < end, made.message
        time.sleep(made.again_after)
    return str(made.outputs["address"])


@pytest.mark.faults
def test_a_second_run_changes_nothing(rendered: Rendered) -> None:
    told = [line for line in rendered.changes if "Units, environments and the proxy" in line]
    changed = [line for line in told if line.startswith("changed")]
    assert len(changed) == len(PRODUCTS), told
    assert len([line for line in told if line.startswith("ok")]) == 1


@pytest.mark.faults
@pytest.mark.parametrize("product", PRODUCTS)
def test_units_are_what_podman_takes(rendered: Rendered, product: str) -> None:
    written, units = spec(product)["containers"], rendered.units(product)
    assert units.keys() == written.keys()
    for name, unit in units.items():
        assert set(unit.sections()) == set(QUADLET)
        for section, keys in QUADLET.items():
            assert set(unit.options(section)) <= keys
        container = unit["Container"]
        assert container["Image"] == written[name]["image"]
        assert container["Pull"] == "never"
        assert container["Network"] == f"{product}.network"
        assert container["EnvironmentFile"] == f"/etc/bascule/{product}/{name}.env"
        for other in written[name].get("after", []):
            assert f"{product}-{other}.service" in unit["Unit"]["Requires"]
            assert other in units
    assert f"NetworkName={product}" in rendered.files[f"/etc/containers/systemd/{product}.network"]


@pytest.mark.faults
@pytest.mark.parametrize("product", PRODUCTS)
def test_secrets_stand_in_files_for_root_alone(rendered: Rendered, product: str) -> None:
    mine = {path: text for path, text in rendered.files.items() if product in path}
    for name in spec(product)["secrets"]:
        held = [path for path, text in mine.items() if SECRET.format(name) in text]
        assert held, f"{name} is asked for and not used"
        assert all(rendered.modes.get(path) == "600" for path in held), held
    assert rendered.modes[f"/etc/bascule/{product}/tls.key"] == "600"
    assert "{{" not in "".join(mine.values())
    assert not any(SECRET.format("") in line for line in rendered.changes)


@pytest.mark.faults
@pytest.mark.parametrize("product", PRODUCTS)
def test_only_the_proxy_and_media_are_reached_from_outside(rendered: Rendered, product: str) -> None:
    published = [
        port
        for unit in rendered.units(product).values()
        for port in unit["Container"].get("PublishPort", "").splitlines()
    ]
    inside = {int(port.split(":")[1]) for port in published if port.startswith("127.0.0.1:")}
    open_ports = {port for port in published if not port.startswith("127.0.0.1:")}
    assert open_ports <= {"7881:7881/tcp", "7882:7882/udp", "10000:10000/udp"}
    proxy = rendered.files[f"/etc/nginx/sites-enabled/bascule-{product}.conf"]
    led = {int(port) for port in re.findall(r"proxy_pass http://127\.0\.0\.1:(\d+);", proxy)}
    assert led
    assert led <= inside
    assert f"server_name {product}.example.eu" in proxy
    assert spec(product)["health"]["port"] in inside


def test_ports_of_two_products_never_meet() -> None:
    used = [
        port.rsplit(":", 1)[0]
        for product in PRODUCTS
        for one in spec(product)["containers"].values()
        for port in one.get("publish", [])
    ]
    assert len(used) == len(set(used))


def test_every_self_hosted_target_has_its_play_and_its_product() -> None:
    installed = {name: one.play for name, one in shipped().targets.items() if one.play}
    assert {name for name, play in installed.items() if play == "ansible/product.yml"} == set(PRODUCTS)
    assert all((PLAYBOOKS / play).is_file() for play in installed.values())


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_says_what_it_rests_on_and_that_nobody_ran_it(product: str) -> None:
    found = spec(product)
    assert found["verified"] is False
    assert all(source.startswith("https://") for source in found["sources"])
    for name, one in found["containers"].items():
        assert one["archive"].endswith(".tar"), name
        assert not one["image"].endswith(":latest")


def test_an_image_has_one_archive() -> None:
    pairs = {(one["image"], one["archive"]) for each in PRODUCTS for one in spec(each)["containers"].values()}
    assert len({image for image, _ in pairs}) == len(pairs)


STAND_INS = r"""
set -eu
mkdir -p /usr/lib/systemd/system-generators /srv/podman
printf '#!/bin/sh\n' >/usr/lib/systemd/system-generators/podman-system-generator
cat >/usr/bin/podman <<'END'
#!/bin/sh
case "$1 $2" in
    "image exists") grep -qxF "$3" /srv/podman/images 2>/dev/null ;;
    "load --quiet") cat "$4" >>/srv/podman/images ;;
esac
END
cat >/usr/bin/systemctl <<'END'
#!/bin/sh
echo "$@" >>/srv/podman/units
END
chmod 755 /usr/bin/podman /usr/bin/systemctl /usr/lib/systemd/system-generators/podman-system-generator
mkdir -p /srv/docs
echo true >/srv/docs/healthcheck
nohup python3 -m http.server --bind 127.0.0.1 --directory /srv/docs 8082 >/dev/null 2>&1 </dev/null &
"""
"""Podman and systemd as far as the play speaks to them: simulated servers have neither. An image is its name."""


def stored(simulator: Simulator, path: str, body: str = "") -> None:
    """A bucket, or an object in it, by curl's own signature."""
    key = f"{simulator.secret('target-access').strip()}:{simulator.secret('target-secret').strip()}"
    digest = hashlib.sha256(body.encode()).hexdigest()
    command = ["curl", "-sSf", "--noproxy", "*", "--aws-sigv4", "aws:amz:fr-par:s3", "--user", key, "-X", "PUT"]
    data = ["--data-binary", body] if body else []
    url = simulator.addresses["s3-target"] + path
    subprocess.run([*command, "-H", f"x-amz-content-sha256: {digest}", *data, url], check=True, timeout=20)


@pytest.mark.faults
def test_an_image_is_fetched_believed_for_its_checksum_and_started(
    simulator: Simulator, ground: Ground, rendered: Rendered
) -> None:
    image = spec("onlyoffice")["containers"]["docs"]
    stored(simulator, "/town-images")
    stored(simulator, f"/town-images/images/{image['archive']}", f"{image['image']}\n")
    ground.ssh("sh", STAND_INS)
    more = {
        "scope": "rehearsal",
        "product": "onlyoffice",
        "host": "docs.example.eu",
        "bucket": "town-images",
        "access_key": simulator.secret("target-access").strip(),
        "secret_key": simulator.secret("target-secret").strip(),
    }
    ansible = ground.context.estate / "ansible"
    (ansible / "roles/packages/tasks/main.yml").write_text("[]\n")  # no podman for Debian 12 has units
    file = ansible / "products/onlyoffice.yml"
    written = file.read_text()

    def installed(run: str, digest: str) -> list[str]:
        file.write_text(written.replace('sha256: ""', f'sha256: "{digest}"'))
        said: list[str] = []
        assert ground.play("product.yml", run, more, said.append).presence is Presence.OURS
        return said

    with refused() as caught:
        installed("wrong-checksum", "0" * 64)
    assert "is not the archive whose checksum" in caught.value.message
    right = hashlib.sha256(f"{image['image']}\n".encode()).hexdigest()
    first = installed("first", right)
    assert "changed host: The services run, with this configuration" in [
        line.replace("prestaged_service : ", "") for line in first
    ]
    assert ground.ssh("cat /srv/podman/images").splitlines() == [image["image"]]
    second = installed("second", right)
    assert not [line for line in second if line.startswith("changed")]
    units = ground.ssh("cat /srv/podman/units").splitlines()
    assert [line.split()[0] for line in units if "onlyoffice" in line] == ["restart", "start"]
