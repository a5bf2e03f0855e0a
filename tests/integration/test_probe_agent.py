"""`bascule probe-agent` and `bascule signals probe`: what they look at, say, post, keep, and never may."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.cli import main
from orchestrator.domain.signals.proof import sign_standard
from tests.integration.service_fixture import RunningService, answering, commit, estate_files, running_service, until
from tests.sealing import seal
from tests.signal_senders import SECRETS, SIGNALS, Post, as_bytes, observed, proven, store_secrets
from tests.vendor_site import REFUSES, Site, free_listener, indented, probes_block, sites, vendor_file

SECRET = SECRETS["observations"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("agent"), "", SIGNALS) as made:
        store_secrets(made.bascule.settings.data)
        yield made


@pytest.fixture
def place() -> Iterator[tuple[Site, Site]]:
    with sites(2) as (vendor, control):
        yield vendor, control


@dataclass
class Agent:
    """An agent's folder, with its file and its secrets."""

    folder: Path

    def write(self, vendor: Site, control: Site, url: str, **changes: str) -> Path:
        text = f"""
probes:
  scope: live
  vantage: agent-says-this
  trust_domain: agent-says-that
  every: 1m
  vendors: {{}}
  controls:
    control-near: {{country: FR, uses: probe.http, with: {{url: "http://127.0.0.1:{control.port}/"}}}}
  sensors:
    login: {{vendor: microsoft-365, aspect: auth, uses: probe.http, with: {{url: "http://127.0.0.1:{vendor.port}/"}}}}
scopes:
  live: {{mode: live, networks: [127.0.0.0/8]}}
post: {{url: "{url}", secret: post-secret}}
"""
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "agent.yaml"
        path.write_text(text)
        (self.folder / "post-secret").write_text(f"{SECRET}\n")
        return path

    def command(self, *arguments: str) -> list[str]:
        command = [sys.executable, "-m", "orchestrator.cli", "probe-agent", "--spool", str(self.folder / "spool")]
        return [*command, "--config", str(self.folder / "agent.yaml"), *arguments]

    def once(self, capsys: pytest.CaptureFixture[str]) -> tuple[int | str | None, str, str]:
        """Exit code and what was said."""
        with pytest.raises(SystemExit) as ended:
            main(self.command("--once")[3:])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    def waiting(self) -> list[Path]:
        return sorted((self.folder / "spool").glob("*/*.json"))


def environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    return {"PYTHONPATH": str(Path(__file__).parents[2]), **kept, "COLUMNS": "80"}


def seen(service: RunningService) -> list[dict[str, Any]]:
    found = service.http.get("/api/v1/signals/observations").json()["observations"]
    return [one for one in found if one["source"] == "observations"]


def test_an_agent_posts_what_it_saw_and_the_estate_says_whose_word_it_is(
    service: RunningService, place: tuple[Site, Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor, control = place
    agent = Agent(tmp_path)
    agent.write(vendor, control, f"{service.url}/webhooks/observations")
    before = len(seen(service))
    vendor.status = REFUSES
    code, out, err = agent.once(capsys)
    assert code == 0, err + out
    assert "✘ denied   auth       login" in out
    assert "✔ ok       semantic   site" in out
    assert "Posted." in out
    assert max(map(len, out.splitlines())) <= 80
    assert "No control is an unrelated American site." in err
    found = {one["vendor"]: one for one in seen(service)[: len(seen(service)) - before]}
    assert {name: one["outcome"] for name, one in found.items()} == {"control-near": "ok", "microsoft-365": "denied"}
    assert {(one["trust_domain"], one["vantage"]) for one in found.values()} == {("agent-lyon", "lyon")}
    assert agent.waiting() == []


@pytest.mark.faults
def test_nothing_is_lost_while_the_service_is_away(
    service: RunningService, place: tuple[Site, Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor, control = place
    agent = Agent(tmp_path)
    with free_listener() as line:
        port = line.getsockname()[1]
    agent.write(vendor, control, f"http://127.0.0.1:{port}/webhooks/observations")
    for _ in range(2):
        code, _, err = agent.once(capsys)
        assert code == 1
        assert "Not taken yet, and kept for the next try" in err
    assert len(agent.waiting()) == 2
    before = len(seen(service))
    process = subprocess.Popen(agent.command(), env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        with answering(service.bascule, port):
            until(lambda: len(seen(service)) == before + 4 or None, 40, lambda: str(agent.waiting()))
            until(lambda: not agent.waiting() or None, 10, lambda: str(agent.waiting()))
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 0, told
    assert "Looking with 2 sensors" in told


def send(service: RunningService, post: Post) -> httpx.Response:
    address = f"{service.url}/webhooks/{post.source}"
    return httpx.post(address, content=post.body, headers=dict(post.headers), trust_env=False)


def test_a_forged_signature_is_refused_and_a_replay_is_ignored(service: RunningService) -> None:
    body = as_bytes(observed(sensor="forged"))
    genuine = proven("observations", body, sent="msg-forged")
    for headers in (
        {**genuine.headers, "webhook-id": "msg-other"},
        {**genuine.headers, "webhook-signature": "v1,bm9uc2Vuc2U="},
        {**genuine.headers, "webhook-timestamp": str(int(time.time()) - 3600)},
        {name: value for name, value in genuine.headers.items() if not name.startswith("webhook")},
    ):
        assert send(service, Post("observations", headers, body)).status_code == 401
    assert send(service, Post("observations", genuine.headers, body + b" ")).status_code == 401
    assert send(service, genuine).json() == {"repeated": False, "observations": 1, "unmapped": 0}
    assert send(service, genuine).json() == {"repeated": True, "observations": 0, "unmapped": 0}
    again = proven("observations", body, sent="msg-forged-again")
    assert send(service, again).json()["observations"] == 0, "the same observation under another id"
    assert [one["sensor"] for one in seen(service)].count("forged") == 1


def test_what_an_agent_may_say_is_bounded(service: RunningService) -> None:
    def posted(body: Any, sent: str) -> dict[str, Any]:
        response = send(service, proven("observations", as_bytes(body), sent=sent))
        assert response.status_code == 202, response.text
        answer: dict[str, Any] = response.json()
        return answer

    one = observed(sensor="own", trust_domain="own-probes", vantage="own")["observations"][0]
    assert posted({"observations": [one]}, "m1")["observations"] == 1
    assert (seen(service)[0]["trust_domain"], seen(service)[0]["vantage"]) == ("agent-lyon", "lyon")
    foreign = {**one, "vendor": "zoom"}
    assert posted({"observations": [foreign, {**one, "vendor": "control-any", "at": 1795597921}]}, "m2") == {
        "repeated": False,
        "observations": 1,
        "unmapped": 1,
    }
    late = {**one, "at": time.time() + 86400.0, "sensor": "ahead"}
    assert posted({"observations": [late]}, "m3")["observations"] == 1
    assert seen(service)[0]["at"] <= time.time()
    wrong = [{**one, "outcome": "cut"}, "text", {**one, "vendor": "../../x"}]
    assert posted({"observations": wrong}, "m4") == {"repeated": False, "observations": 0, "unmapped": 3}
    many = [{**one, "sensor": "many", "at": 1795597000 + number} for number in range(1005)]
    assert posted({"observations": many}, "m5") == {"repeated": False, "observations": 1000, "unmapped": 1}
    assert posted({"alerts": []}, "m6") == {"repeated": False, "observations": 0, "unmapped": 1}


def failed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    said = capsys.readouterr()
    assert ended.value.code == code, said.err + said.out
    return said.err


def test_errors_of_an_agents_file_speak_to_a_person(
    place: tuple[Site, Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor, control = place
    url = "http://127.0.0.1:1/webhooks/observations"
    agent = Agent(tmp_path)

    def told(**changes: str) -> str:
        path = agent.write(vendor, control, url, **changes)
        return failed(capsys, "probe-agent", "--config", str(path), "--once", "--spool", str(tmp_path / "s"))

    assert "agent.yaml:3:10: There is no scope `life`. Did you mean `live`?" in told(**{"scope: live": "scope: life"})
    assert ":14:13: `url`" in told(**{"/webhooks/observations": "/"})
    assert "An agent knows no services" in told(**{"  vendors: {}\n": "", "  sensors:\n    login": "  x:\n    login"})
    agent.write(vendor, control, url)
    (tmp_path / "post-secret").unlink()
    gone = failed(capsys, "probe-agent", "--config", str(tmp_path / "agent.yaml"), "--once")
    assert "The secret can't be read from" in gone
    (tmp_path / "post-secret").write_text("no base64 !")
    path = str(tmp_path / "agent.yaml")
    odd = failed(capsys, "probe-agent", "--config", path, "--once", "--spool", str(tmp_path / "s"))
    assert "no secret of Standard Webhooks" in odd
    assert "can't be read" in failed(capsys, "probe-agent", "--config", str(tmp_path / "none"), code=2)
    with pytest.raises(ValueError, match="base64"):
        sign_standard("no base64 !", "m", "1", b"")


def test_an_author_sees_the_block_work_before_it_is_committed(
    place: tuple[Site, Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor, control = place
    estate = tmp_path / "estate"
    sheet = estate_files(1)["bascule.yaml"] + "signals:\n" + indented(probes_block(vendor, control))
    commit(estate, {**estate_files(1), "bascule.yaml": sheet, "catalogue/vendors/oldcloud.yaml": vendor_file()})

    def probe(code: int, *arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["--data", str(tmp_path / "data"), "signals", "probe", "--in", str(estate), *arguments])
        said = capsys.readouterr()
        assert ended.value.code == code, said.err + said.out
        return said.out + said.err

    shown = probe(1)
    assert "? unknown  denial     mayor-token (mayor)" in shown
    assert "The secret secret://mayor of scope live is missing." in " ".join(shown.split())
    assert "✔ ok       auth       auth" in shown
    assert "4 sensors looked; 1 of them could not see anything." in shown
    assert max(map(len, shown.splitlines())) <= 80
    vendor.status = REFUSES
    assert "✔ ok" in probe(0, "control-near")
    [one] = json.loads(probe(0, "control-near", "--json"))
    assert (one["vendor"], one["outcome"], one["trust_domain"]) == ("control-near", "ok", "own-probes")
    assert "Did you mean `oldcloud`?" in probe(1, "oldclod")
    (estate / "bascule.yaml").write_text(sheet.replace("scope: live", "scope: life"))
    assert "bascule.yaml:" in probe(1)
    assert "There is no scope `life`" in probe(1)
    assert "is no estate" in failed(capsys, "signals", "probe", "--in", str(tmp_path))
    assert not (tmp_path / "data").exists(), "it stores nothing"
    (estate / "bascule.yaml").write_text(sheet)
    seal(tmp_path / "data", "live", "mayor", "s")
    assert "fail     denial     mayor-token (mayor)" in probe(0), "what is sealed is opened"


def test_validate_advises_and_does_not_refuse(
    place: tuple[Site, Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = estate_files(1)["bascule.yaml"] + "signals:\n" + indented(probes_block(*place))
    commit(
        tmp_path / "e",
        {**estate_files(1), "bascule.yaml": sheet, "catalogue/vendors/oldcloud.yaml": vendor_file()},
    )
    said = failed(capsys, "validate", str(tmp_path / "e"), code=0)
    assert "No control is an unrelated American site." in said
    assert "bascule.yaml:" in said
