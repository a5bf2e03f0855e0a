"""Every swap of the catalogue, rehearsed: there and back through the engine, over real TLS, HTTP and DNS.

One estate has a service for each target; each is moved to it and taken back. Beside that, each is stopped by every
way in which the new place can be wrong, before people's name leads there.
"""

import subprocess
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from orchestrator.domain.model import RunState, StepState
from orchestrator.domain.plan import PlannedStep
from orchestrator.engine.spec import ActionSpec
from orchestrator.store import runs
from providers.base import ProviderError, Tag
from providers.social.picture import Picture
from tests.simulator_fixture import Simulator
from tests.town_hall import TownHall

DOMAIN = "valbourg.example"
TEXT = {"fr": "La mairie est ici désormais.", "en": "The town hall is here now."}
PICTURE = "pictures/town-hall.png"
SHOWN = {"fr": "La façade de la mairie", "en": "The front of the town hall"}
SOCIAL = {"token": "secret://social-token", "page": f"https://news.{DOMAIN}/", "announcement": TEXT}


def web(name: str, host: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "host": f"{host}.secours.example", "url": f"https://{name}.{DOMAIN}", **more}


def mail(**more: Any) -> dict[str, Any]:
    return {"canary": f"canari@{DOMAIN}", "queues": "1s", **more}


def social(software: str) -> dict[str, Any]:
    url = f"https://{software}.secours.example"
    return {**SOCIAL, "account": software, "url": url, "profile": f"{url}/@valbourg"}


KEY = "v=DKIM1; k=rsa; p=MIIB"
SWAPS: dict[str, tuple[str, dict[str, Any]]] = {
    "mailo": ("", mail(verification="abc", dkim=KEY)),
    "protonmail": ("", mail(verification="abc", dkim="d4")),
    "tutanota": ("", mail(verification="abc")),
    "postfix-dovecot": (
        "",
        mail(host="courrier.secours.example", client_host="courrier.secours.example", dkim=KEY),
    ),
    "nextcloud": ("nextcloud", web("cloud", "nextcloud", user="crise", password="secret://nextcloud-canary")),
    "onlyoffice": ("onlyoffice", web("docs", "onlyoffice", secret="secret://onlyoffice-jwt")),
    "libreoffice-online": ("collabora", web("collabora", "collabora")),
    "cryptpad": (
        "cryptpad",
        web("pads", "cryptpad", second="sandbox.pads", safe_url=f"https://sandbox.pads.{DOMAIN}"),
    ),
    "visio": (
        "visio",
        web("visio", "visio", livekit_key="secret://livekit-key", livekit_secret="secret://livekit-secret"),
    ),
    "jitsi": ("jitsi", web("jitsi", "jitsi")),
    "keycloak": (
        "keycloak",
        web("sso", "keycloak", realm="valbourg", client="bascule-canary", client_secret="secret://keycloak-canary"),
    ),
    "mastodon": ("mastodon", social("mastodon")),
    "pixelfed": ("pixelfed", {**social("pixelfed"), "picture": PICTURE, "picture_text": SHOWN}),
    "friendica": ("friendica", social("friendica")),
}
"""Target -> the stand-in that plays it (mail: the new side's SMTP server), and the settings of its swap."""
PRODUCTS = [target for target, (stand_in, _) in SWAPS.items() if stand_in]
SOME_SWAPS = [target for target in SWAPS if target not in ("protonmail", "tutanota", "pixelfed", "onlyoffice")]
"""Those of every day: mail at a vendor's and at one's own server, and one of each kind of product at least."""

HOSTS = {"programs": "${{ steps.server.outputs.address }}"}
ENV, SETTINGS_FILE, SOURCES = "/srv/assistant/.env", "/srv/assistant/settings.yaml", "/etc/apt/sources.list.d"
ON_A_SERVER: dict[str, dict[str, Any]] = {
    "mistral": {
        "hosts": HOSTS,
        "key": "secret://mistral-key",
        "consumers": [
            {"path": ENV, "format": "env"},
            {
                "path": SETTINGS_FILE,
                "format": "yaml",
                "base_url": "llm.api_base",
                "model": "llm.model",
                "hosts": ["programs"],
            },
        ],
    },
    "debian-mirror": {
        "hosts": HOSTS,
        "mirror": "https://mirror.secours.example/debian",
        "key": "keys/rehearsal-archive.asc",
        "replaced": ["sources.list.d/0000main.sources"],
    },
}
"""Target -> the settings of its swap, which changes files on a server."""
USER_DATA = f"""\
#!/bin/sh
set -eu
mkdir -p /srv/assistant
printf 'llm:\\n  api_base: https://api.openai.com/v1 # the old one\\n  model: "gpt-5-mini"\\n' >{SETTINGS_FILE}
printf '# Assistant\\r\\nexport OPENAI_API_KEY="sk-old"\\r\\nOPENAI_API_BASE=https://api.openai.com/v1' >{ENV}.part
chmod 640 {ENV}.part
mv {ENV}.part {ENV}
"""


def runbook(target: str) -> dict[str, Any]:
    settings = ON_A_SERVER.get(target) or SWAPS[target][1]
    has_domain = "name" in settings or "canary" in settings
    with_ = {"to": target, "settings": settings} | ({"domain": DOMAIN} if has_domain else {})
    steps: dict[str, Any] = {"moves": {"uses": "endpoint.swap", "with": with_}}
    if target in ON_A_SERVER:
        server = {"provider": "scaleway", "name": "programs", "state": "existing"}
        steps = {"server": {"uses": "compute.server", "with": server}, **steps}
        steps["moves"]["needs"] = ["server"]
    return {"runbook": f"{target}-failover", "service": target, "title": {"fr": target, "en": target}, "steps": steps}


def server_runbook() -> dict[str, Any]:
    """The server of the programs, as it was before the day."""
    made = {
        "provider": "scaleway",
        "name": "programs",
        "size": "DEV1-S",
        "image": "debian_bookworm",
        "user_data": "ansible/programs.sh",
    }
    steps = {"server": {"uses": "compute.server", "with": made}}
    title = {"fr": "Serveur", "en": "Server"}
    return {"runbook": "programs-failover", "service": "programs", "title": title, "steps": steps}


def write_estate(folder: Path) -> None:
    """The starter estate with a service and a runbook for each target beside its own services."""
    sheet = yaml.safe_load((folder / "bascule.yaml").read_text())
    for target in [*SWAPS, *ON_A_SERVER]:
        sheet["services"][target] = {
            "title": {"fr": target, "en": target},
            "vendor": "microsoft-365",
            "target": target,
            "failover": f"{target}-failover",
            "origin": {"uses": "probe.tcp", "with": {"host": "valbourg.sharepoint.test", "port": 80}},
        }
        (folder / "runbooks" / f"{target}-failover.yaml").write_text(
            yaml.safe_dump(runbook(target), allow_unicode=True)
        )
    sheet["services"]["programs"] = {
        "title": {"fr": "Programmes", "en": "Programs"},
        "vendor": "aws",
        "target": "scaleway",
        "failover": "programs-failover",
    }
    (folder / "runbooks" / "programs-failover.yaml").write_text(yaml.safe_dump(server_runbook()))
    (folder / "ansible" / "programs.sh").write_text(USER_DATA)
    for scope in sheet["scopes"].values():
        scope["social"] |= {
            name: {"driver": "mastodon", "url": f"https://{name}.secours.example", "token": "secret://social-token"}
            for name in ("mastodon", "pixelfed", "friendica")
        }
    (folder / PICTURE).parent.mkdir()
    (folder / PICTURE).write_bytes(Picture.small("").content)
    (folder / "bascule.yaml").write_text(yaml.safe_dump(sheet, allow_unicode=True, sort_keys=False))


@pytest.fixture(scope="module")
def hall(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TownHall]:
    simulator.reset()
    made = TownHall(simulator, tmp_path_factory.mktemp("swaps"), change=write_estate)
    yield made
    made.stop()


def world(simulator: Simulator) -> dict[str, Any]:
    state = simulator.state()
    return {"zones": state["zones"], "social": state["social"]}


@pytest.mark.every_day(*SOME_SWAPS)
@pytest.mark.parametrize("target", SWAPS)
def test_a_service_moves_and_comes_back(hall: TownHall, target: str) -> None:
    before = world(hall.simulator)
    run_id = hall.run([target])
    assert hall.state(run_id) is RunState.SUCCEEDED
    assert world(hall.simulator) != before
    hall.undo(run_id)
    assert world(hall.simulator) == before
    hall.check_fold(run_id)


WRONG = ("down", "parked", "maintenance", "wrong-certificate", "read-only")
READS_ONLY = {"libreoffice-online", "cryptpad", "jitsi"}
"""Nobody's content is behind these: their stand-ins take no writes that could be refused."""


def proofs(hall: TownHall, target: str) -> list[PlannedStep]:
    """The steps of the plan that prove the new place, before the first one that changes something."""
    steps = hall.bascule.plans.make([target], "rehearsal").steps
    found = list(takewhile(lambda step: step.uses.startswith("probe."), steps))
    assert found, [step.id for step in steps]
    return found


def says(hall: TownHall, step: PlannedStep, within: float = 20.0) -> str:
    """What the step's own provider says of the new place, as the engine would ask it; empty when all is well.

    `within`: seconds that it may take.
    """
    run = SimpleNamespace(id="looks", commit=hall.bascule.estates.newest(), scope="rehearsal")
    spec = ActionSpec.model_validate({"uses": step.uses, "with": step.with_})
    action = hall.bascule.workshop.action(run, step.id, spec, {}, within)
    try:
        action.provider.apply(action.want, Tag("looks", step.id), {}, lambda _: None)
    except ProviderError as error:
        return error.message
    return ""


@pytest.mark.every_day("nextcloud", "keycloak")
@pytest.mark.parametrize("target", PRODUCTS)
def test_a_wrong_place_is_found_before_people_are_led_there(hall: TownHall, target: str) -> None:
    stand_in = SWAPS[target][0]
    steps = proofs(hall, target)
    assert [says(hall, step) for step in steps] == [""] * len(steps)
    for condition in WRONG:
        hall.simulator.conditions(**{stand_in: condition})
        told = [said for step in steps if (said := says(hall, step))]
        hall.simulator.conditions(**{stand_in: "healthy"})
        assert told or (condition == "read-only" and target in READS_ONLY), f"{target} {condition} was not found"
        assert all("secret" not in said.lower() or "secret://" not in said for said in told)


MAIL_WRONG: dict[str, list[dict[str, Any]]] = {
    "down": [{"route": "EHLO", "kind": "drop"}],
    "in maintenance": [{"route": "RCPT", "kind": "tempfail"}],
    "another domain's": [{"route": "RCPT", "kind": "refuse"}],
    "full, or read-only": [{"route": "DATA", "kind": "refuse"}],
    "silent": [{"route": "EHLO", "kind": "hang", "seconds": 15}],
}
"""How the new side's mail server can be wrong; that it shows a wrong certificate is in the contract of the check."""


@pytest.mark.every_day("tutanota")
@pytest.mark.parametrize("target", [target for target in SWAPS if target not in PRODUCTS])
def test_a_wrong_mail_server_is_found_before_mail_is_led_there(hall: TownHall, target: str) -> None:
    steps = hall.bascule.plans.make([target], "rehearsal").steps
    first = next(number for number, step in enumerate(steps) if step.uses == "probe.smtp")
    switch = next(number for number, step in enumerate(steps) if step.id.endswith("cutover-mx"))
    assert first < switch
    assert says(hall, steps[first]) == ""
    for wrong, rules in MAIL_WRONG.items():
        if wrong == "silent" and target != "mailo":
            continue  # the same server for all
        hall.simulator.faults(*({"service": "smtp-new", "times": None, **rule} for rule in rules))
        told = says(hall, steps[first], within=2.0 if wrong == "silent" else 20.0)
        hall.simulator.faults()
        assert told, f"{target} {wrong} was not found"


@pytest.mark.faults
def test_a_run_stops_at_a_wrong_place_and_nobody_is_led_there(hall: TownHall) -> None:
    before = world(hall.simulator)
    hall.simulator.conditions(onlyoffice="maintenance")
    run_id = hall.begin(["onlyoffice"])
    step_id = "onlyoffice-failover/moves/prepare-works-at-host-edits"
    hall.until(lambda: hall.steps(run_id)[step_id].state == StepState.FAILED.value, "the proof to fail")
    assert world(hall.simulator) == before
    hall.simulator.conditions(onlyoffice="healthy")
    hall.bascule.decisions.retry(run_id, step_id, "olga")
    assert hall.end(run_id) is RunState.SUCCEEDED
    hall.undo(run_id)
    assert world(hall.simulator) == before


def on_server(hall: TownHall, address: str, command: str) -> str:
    key = hall.bascule.paths.secrets / "rehearsal" / "ssh-key"
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    full = ["ssh", "-i", str(key), *options, f"root@{address}", command]
    return subprocess.run(full, check=True, capture_output=True, timeout=20).stdout.decode()


def files_of(hall: TownHall, address: str) -> str:
    """The names, modes and content of what the plays change, byte for byte."""
    folders = f"/srv/assistant {SOURCES} /etc/apt/keyrings"
    command = f"find {folders} -type f -printf '%p %m %U\\n' | sort; find {folders} -type f | sort | xargs cat -A"
    return on_server(hall, address, command)


@pytest.mark.faults  # every day the plays themselves are played, and one on a server made by a run
def test_programs_and_package_sources_of_a_server_move_and_come_back(hall: TownHall) -> None:
    made = hall.run(["programs"])
    address = hall.steps(made)["programs-failover/server"].outputs["address"]
    end = time.monotonic() + 20
    while on_server(hall, address, f"test -e {ENV} && echo there || true") != "there\n":
        assert time.monotonic() < end, "the server's own script did not write the settings"
    before = files_of(hall, address)

    moved = hall.run(["mistral", "debian-mirror"])
    key = hall.simulator.secret("mistral-key").strip()
    assert on_server(hall, address, f"cat {ENV}") == (
        f'# Assistant\r\nexport OPENAI_API_KEY="{key}"\r\nOPENAI_API_BASE=https://api.mistral.ai/v1\r\n'
        "OPENAI_MODEL=mistral-small-latest\r\n"
    )
    assert on_server(hall, address, f"cat {SETTINGS_FILE}") == (
        'llm:\n  api_base: https://api.mistral.ai/v1 # the old one\n  model: "mistral-small-latest"\n'
    )
    assert on_server(hall, address, f"stat -c %a {ENV} {ENV}.bascule-before") == "640\n600\n"
    listed = on_server(hall, address, "apt-cache policy valbourg-portal")
    assert f"http://{hall.simulator.server(1)}:8085/debian bookworm/main" in listed

    hall.undo(moved)
    assert files_of(hall, address) == before
    hall.check_fold(moved)
    with hall.bascule.database.read() as conn:
        assert not [line for line in runs.list_output(conn, moved) if key in line.text]
