"""The starter estate's play for package sources, run over SSH, and Debian's own apt-get at the mirror's stand-in."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from providers.ansible import AnsiblePlay
from providers.base import Presence, Tag
from providers.simulator.apt_mirror import AptMirror
from providers.simulator.faults import FaultTable
from providers.simulator.http_service import HttpService
from providers.simulator.openpgp_key import OpenPgpKey
from providers.wants import Play
from tests.contract.suite import quiet, refused
from tests.ssh_host import SshHost, make_host
from tests.vendor_stand_ins import listening

ESTATE = Path(__file__).parents[2] / "playbooks"
KEY = OpenPgpKey.made("Valbourg Archive <archive@valbourg.example>", 1_700_000_000)
OLD = "# Nothing that would be asked for over the network.\n"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    made = make_host(tmp_path / "host")
    apt = made.home / "apt"
    for folder in ("apt/sources.list.d", "lists/partial", "cache/archives/partial"):
        (made.home / folder).mkdir(parents=True)
    (apt / "sources.list").write_text(OLD)
    (apt / "sources.list.d/other.list").write_text("# of somebody else\n")
    (made.home / "archive.asc").write_text(KEY.public())
    with made.running():
        yield made


@contextmanager
def mirror() -> Iterator[tuple[AptMirror, str]]:
    served = AptMirror(KEY)
    with listening(HttpService("apt-mirror", served.handle, FaultTable())) as url:
        yield served, f"{url}/debian"


def run(host: SshHost, tmp_path: Path, play: str, url: str) -> Presence:
    """One run of a play, with apt-get kept to the host's home. The estate is copied: this checkout may be read-only."""
    estate = tmp_path / "estate"
    shutil.copytree(ESTATE, estate, dirs_exist_ok=True)
    home = host.home
    archive = {"url": url, "suites": ["bookworm"], "components": ["main"], "signed_by": str(home / "archive.asc")}
    settings = {
        "Dir::Etc": home / "apt",
        "Dir::State": home,
        "Dir::State::Lists": home / "lists",
        "Dir::Cache": home / "cache",
        "APT::Sandbox::User": "",
        "APT::Architecture": "amd64",
    }
    variables: dict[str, Any] = {
        "archives": [archive],
        "apt_dir": str(home / "apt"),
        "apt_options": [f"{name}={value}" for name, value in settings.items()],
    }
    want = Play(play=f"ansible/{play}", hosts={"portal": "127.0.0.1"}, vars=variables)
    context = host.context(tmp_path / "workspace" / play, estate)
    return AnsiblePlay(context).apply(want, Tag("run-1", play), {}, quiet).presence


def sources(host: SshHost) -> dict[str, str]:
    apt = host.home / "apt"
    return {str(path.relative_to(apt)): path.read_text() for path in sorted(apt.rglob("*")) if path.is_file()}


@pytest.mark.faults
def test_servers_change_to_a_mirror_that_works_and_back(host: SshHost, tmp_path: Path) -> None:
    before = sources(host)
    with mirror() as (_, url):
        assert run(host, tmp_path, "apt-mirror.yml", url) is Presence.OURS
        after = sources(host)
        assert f"URIs: {url}\nSuites: bookworm" in after.pop("sources.list.d/bascule-mirror.sources")
        assert after == {"sources.list.bascule.save": OLD, "sources.list.d/other.list": "# of somebody else\n"}
        (lists,) = [path.name for path in (host.home / "lists").glob("*_Packages*")]
        assert "dists_bookworm_main_binary-amd64" in lists
        assert run(host, tmp_path, "apt-mirror-undo.yml", url) is Presence.OURS
    assert sources(host) == before


@pytest.mark.faults
def test_a_mirror_that_is_not_rightly_signed_changes_nothing(host: SshHost, tmp_path: Path) -> None:
    before = sources(host)
    with mirror() as (served, url):
        served.publish(OpenPgpKey.made("Another <another@example.net>", 1_700_000_000))
        with refused() as caught:
            run(host, tmp_path, "apt-mirror.yml", url)
    assert "rightly signed" in caught.value.message
    left = {name: text for name, text in sources(host).items() if not name.startswith("bascule-trial")}
    assert left == before
