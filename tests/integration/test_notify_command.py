"""`bascule notify`: the monitoring core never waits, and no message is lost while Bascule is away."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.cli import main
from tests.integration.service_fixture import RunningService, answering, running_service, until
from tests.signal_senders import SECRETS, SIGNALS, as_bytes, proven, store_secrets

NAGIOS = {
    "NAGIOS_HOSTNAME": "m365",
    "NAGIOS_SERVICEDESC": "login",
    "NAGIOS_SERVICESTATE": "CRITICAL",
    "NAGIOS_NOTIFICATIONTYPE": "PROBLEM",
    "NAGIOS_LASTSERVICESTATECHANGE": "1795597920",
    "NAGIOS_SERVICEOUTPUT": "$(touch /tmp/never) {{ 7*7 }} <script>",
    "NAGIOS_CONTACTEMAIL": "private@valbourg.example",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("notify"), "", SIGNALS) as made:
        store_secrets(made.bascule.settings.data)
        yield made


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRETS["nagios"])
    return path


def notify(tmp_path: Path, url: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "orchestrator.cli", "notify", "--spool", str(tmp_path / "spool"), "--url", url]
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    return subprocess.run(
        [*command, *arguments], env={**kept, **environment}, capture_output=True, text=True, timeout=30, check=False
    )


def observed(service: RunningService, source: str) -> list[dict[str, Any]]:
    found = service.http.get("/api/v1/signals/observations").json()["observations"]
    return [one for one in found if one["source"] == source]


def test_what_no_rule_speaks_of_is_shown_on_the_command_line_without_steering_it(
    service: RunningService, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["--data", str(service.bascule.settings.data), "signals", *arguments])
        assert ended.value.code == 0
        return capsys.readouterr().out

    assert said("unmapped") == "Every delivery was understood.\n"
    posted = proven("generic", as_bytes({"title": "\x1b[2J\x1b]0;owned\x07 red [bold]", "status": "down"}))
    address = f"{service.url}/webhooks/generic"
    assert httpx.post(address, content=posted.body, headers=dict(posted.headers), trust_env=False).status_code == 202
    shown = said("unmapped", "--source", "generic")
    assert "No rule of the source's `map` matches these labels. title=" in shown
    assert "red [bold]" in shown
    assert "\x1b" not in shown
    [one] = json.loads(said("unmapped", "--json"))["deliveries"]
    assert one["left"][0]["labels"]["status"] == "down"
    assert "own-nagios" in said("sources")


@pytest.mark.faults
def test_a_core_does_not_wait_for_a_bascule_that_hangs_and_the_message_arrives_later(
    service: RunningService, tmp_path: Path, secret: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"http://127.0.0.1:{port}/webhooks/nagios"
        begun = time.monotonic()
        said = notify(tmp_path, url, "--secret-file", str(secret), **NAGIOS)
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
        assert time.monotonic() - begun < 12, "the command waited for the answer"
        [kept] = (tmp_path / "spool").glob("*/*.json")
    written = json.loads(kept.read_text())
    assert "CONTACTEMAIL" not in written["macros"]
    assert written["macros"]["SERVICEOUTPUT"] == NAGIOS["NAGIOS_SERVICEOUTPUT"]
    until((kept.parent / "why-not-posted.txt").exists, 20, lambda: "it does not say why")
    with answering(service.bascule, port):
        until(lambda: not kept.exists(), 30, lambda: str(list(kept.parent.iterdir())))
        until(lambda: not (kept.parent / "why-not-posted.txt").exists(), 10, lambda: "it still says why not")
    [one] = observed(service, "nagios")
    assert (one["vendor"], one["outcome"], one["at"]) == ("microsoft-365", "fail", 1795597920.0)
    assert not Path("/tmp/never").exists()


@pytest.mark.faults
def test_checkmk_by_environment_and_icinga_by_arguments(service: RunningService, tmp_path: Path, secret: Path) -> None:
    checkmk = tmp_path / "checkmk"
    checkmk.write_text(SECRETS["checkmk"])
    environment = {
        "NOTIFY_HOSTNAME": "any",
        "NOTIFY_WHAT": "HOST",
        "NOTIFY_HOSTSTATE": "DOWN",
        "NOTIFY_HOSTLABEL_vendor": "microsoft-365",
        "NOTIFY_NOTIFICATIONTYPE": "PROBLEM",
    }
    url = f"{service.url}/webhooks/checkmk"
    said = notify(tmp_path, url, "--secret-file", str(checkmk), "--bearer", "--wait", **environment)
    assert said.returncode == 0, said.stderr
    assert [one["outcome"] for one in observed(service, "checkmk")] == ["fail"]
    macros = ("HOSTNAME=m365", "SERVICEDESC=$SERVICEDESC$", "HOSTSTATE=UP", "NOTIFICATIONTYPE=RECOVERY")
    url = f"{service.url}/webhooks/nagios"
    said = notify(tmp_path, url, "--secret-file", str(secret), "--wait", *macros)
    assert said.returncode == 0, said.stderr
    assert observed(service, "nagios")[0]["outcome"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "BASCULE_NOTIFY_URL"),
        (("--secret-file", "/nonexistent"), "No macro names a host"),
        (("--secret-file", "/nonexistent", "rm -rf"), "NAME=VALUE"),
        (("--secret-file", "/nonexistent", "--wait", "HOSTNAME=a"), "can't be read"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str
) -> None:
    place = ("--spool", str(tmp_path), "--url", "http://127.0.0.1:9/webhooks/nagios")
    with pytest.raises(SystemExit) as ended:
        main(["notify", *place, *arguments])
    assert ended.value.code in (1, 2)
    assert why in capsys.readouterr().err
