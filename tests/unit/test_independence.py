"""What a reliance of Bascule's own is worth, as values; what a machine's configuration and channels' URLs tell."""

from datetime import date
from pathlib import Path

import apprise
import pytest

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Estate, Service
from orchestrator.domain.independence import Finding, Reliance, Signs, Standing, ready, weigh
from orchestrator.domain.policy import Least, Policy, Sovereignty
from orchestrator.operations.independence import host_of
from providers import machine
from providers.notify_host import apprise_host
from tests.unit.test_sovereignty import catalogue, vendor

KNOWN = catalogue(
    vendor("office", "US", recognised={"hosts": ["*.office.example"]}),
    vendor("forge", "US", recognised={"hosts": ["forge.example", "*.forge.example"], "networks": ["forge-net"]}),
    vendor("stars", "FR", recognised={"hosts": ["*.etoiles.example"], "issuers": ["Étoiles SA"]}),
)
SISTER = KNOWN.vendors["forge"].model_copy(update={"control": KNOWN.vendors["office"].control})


def estate(least: Least, depends_on: str = "office") -> Estate:
    title = {"fr": "x", "en": "x"}
    service = Service.model_validate({"title": title, "vendor": depends_on, "target": "post"})
    policy = Policy(sovereignty=Sovereignty(default=least))
    return Estate.model_validate(
        {"name": "town", "title": title, "services": {"mail": service}, "scopes": {}, "policy": policy}
    )


EEA = estate(Least(operated_from=("EEA",), controlled_from=("EEA",)))
NOTHING_ASKED = estate(Least())


def weighed(reliance: Reliance, signs: Signs = Signs(), town: Estate = EEA, known: Catalogue = KNOWN) -> Finding:  # noqa: B008
    owners = {"203.0.113.9": "forge-net"}
    return weigh(reliance, signs, town, known, date(2026, 11, 25), owners.get)


def test_a_git_remote_below_the_policy_is_guarded_and_says_why() -> None:
    found = weighed(Reliance("estate", "Git remote of the estate", "forge.example"))
    assert (found.standing, found.product, found.country) == (Standing.GUARDED, "forge", "US")
    assert found.advice.startswith("It is controlled from US (forge Inc.) where the policy asks for EEA")
    assert found.record == "forge.example; vendors/forge.yaml"
    assert not ready([found])


def test_who_a_service_depends_on_is_guarded_without_any_policy() -> None:
    found = weighed(Reliance("time", "of this machine", "time.office.example"), town=NOTHING_ASKED)
    assert found.standing is Standing.GUARDED
    assert found.advice == "The service mail depends on office, and Bascule would be cut off with it."
    assert weighed(Reliance("estate", "", "forge.example"), town=NOTHING_ASKED).standing is Standing.CLEAR


def test_what_the_same_owner_has_is_guarded_too() -> None:
    known = Catalogue({**KNOWN.vendors, "forge": SISTER})
    found = weighed(Reliance("estate", "", "forge.example"), town=NOTHING_ASKED, known=known)
    assert found.advice == "office Inc. also owns office, on which mail depends: both can be cut off at once."


@pytest.mark.parametrize(
    "signs",
    [
        Signs((("host", "town.forge.example", "CNAME of git.town.example"),)),
        Signs(addresses=("203.0.113.9",)),
    ],
)
def test_a_host_leads_to_its_owner_by_aliases_and_addresses(signs: Signs) -> None:
    found = weighed(Reliance("estate", "", "git.town.example"), signs)
    assert (found.standing, found.product) == (Standing.GUARDED, "forge")
    assert "town.forge.example, CNAME of git.town.example" in found.record or "in the network forge-net" in found.record


def test_what_is_european_here_or_not_needed_is_no_hindrance() -> None:
    found = [
        weighed(Reliance("estate", "", "git.etoiles.example")),
        weighed(Reliance("authority", "", "étoiles sa", issuer=True)),
        weighed(Reliance("database", "journal and queue")),
        weighed(Reliance("resolver", "", "10.1.2.3")),
        weighed(Reliance("estate", "", "git.town.example"), Signs(addresses=("10.0.0.1",))),
        weighed(Reliance("packages", "", "deb.forge.example", at_run_time=False)),
        weighed(Reliance("time", "", "time.nobody.example")),
        weighed(Reliance("messages", "", untold="The secret is missing.")),
    ]
    standings = ["clear", "clear", "own", "own", "own", "told", "unknown", "unknown"]
    assert [one.standing for one in found] == standings
    assert ready(found)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://git.town.example/estate.git", "git.town.example"),
        ("ssh://git@git.town.example:2222/estate.git", "git.town.example"),
        ("git@github.com:town/estate.git", "github.com"),
        ("/srv/estate", ""),
        ("file:///srv/estate", ""),
        ("", ""),
    ],
)
def test_hosts_of_git_remotes(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", "api.telegram.org"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#town", "slack.com"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord.com"),
        ("mailtos://u:p@town.example?smtp=smtp.town.example", "smtp.town.example"),
        ("mailto://u:p@gmail.com", "smtp.gmail.com"),
        ("ntfy://secret-topic", "ntfy.sh"),
        ("ntfys://ntfy.town.example/topic", "ntfy.town.example"),
        ("json://hook.town.example/x", "hook.town.example"),
        ("workflows://token:443/workflow/signature", ""),
    ],
)
def test_of_a_channels_url_only_a_host_is_told(url: str, host: str) -> None:
    channel = apprise.Apprise.instantiate(url)
    assert channel is not None
    assert apprise_host(channel) == host


def test_what_a_machines_files_rely_on(tmp_path: Path) -> None:
    files = {
        "etc/resolv.conf": "# written by hand\nnameserver 127.0.0.53\nsearch town.example\n",
        "run/systemd/resolve/resolv.conf": "nameserver 9.9.9.9\nnameserver 2620:fe::fe\n",
        "etc/chrony/chrony.conf": "pool 2.debian.pool.ntp.org iburst\n# server no.example\nserver ntp.town.example\n",
        "etc/chrony/sources.d/more.sources": "peer ntp2.town.example\n",
        "etc/systemd/timesyncd.conf": "[Time]\n#NTP=\n#FallbackNTP=0.debian.pool.ntp.org 1.debian.pool.ntp.org\n",
        "etc/apt/sources.list": "deb [signed-by=/x] https://deb.town.example/debian stable main\n# deb http://no.example\n",
        "etc/apt/sources.list.d/a.sources": "Types: deb\nURIs: http://a.example/debian http://b.example/\nSuites: x\n",
        "etc/apt/sources.list.d/b.list.disabled": "deb http://no.example stable main\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine.resolvers(tmp_path) == ["9.9.9.9", "2620:fe::fe"]
    assert machine.time_servers(tmp_path) == ["2.debian.pool.ntp.org", "ntp.town.example", "ntp2.town.example"]
    assert machine.package_sources(tmp_path) == ["deb.town.example", "a.example", "b.example"]
    (tmp_path / "etc/chrony/chrony.conf").unlink()
    (tmp_path / "etc/chrony/sources.d/more.sources").unlink()
    assert machine.time_servers(tmp_path) == ["0.debian.pool.ntp.org", "1.debian.pool.ntp.org"]
    assert machine.time_servers(tmp_path / "nowhere") == []
