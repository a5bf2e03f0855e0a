"""Row 30: the service's own TLS certificate ends. The alarm came early, and this machine's operators still get in."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from orchestrator.cli import main
from orchestrator.cli.client import Service
from orchestrator.domain.own_certificate import DAY, LEVELS, Certificate, due_warning
from orchestrator.operations.request import RequestError
from orchestrator.store import notices
from orchestrator.web.edge.listening import Listening, TlsFiles
from orchestrator.web.edge.tls import ServingTls
from tests.certificates import self_signed
from tests.integration.service_fixture import ESTATE, UNLIMITED, RunningService, running_service, until

NAME = "bascule.example"
NOTIFY = "notify: {duty: {driver: apprise, url: 'secret://duty'}}, smtp: {helo: bascule.trial.example}"
WARNED = "policy: {warnings: {scope: drill, notify: [duty]}}\n"
DRILL = "networks: [127.0.0.0/8]}\n  live"


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def write(folder: Path, pair: tuple[str, str]) -> TlsFiles:
    """Replaced as a careful tool does it: the new file is moved into the place of the old."""
    folder.mkdir(exist_ok=True)
    for name, text in zip(("cert.pem", "key.pem"), pair, strict=True):
        new = folder / f"{name}.new"
        new.write_text(text)
        new.replace(folder / name)
    return TlsFiles(folder / "cert.pem", folder / "key.pem")


@contextmanager
def with_tls(folder: Path, pair: tuple[str, str], **more: object) -> Iterator[RunningService]:
    where = Listening(tls=write(folder / "tls", pair), rates=UNLIMITED.rates)
    with running_service(folder, where=where, **more) as service:  # type: ignore[arg-type]
        yield service


def shown(service: RunningService, **settings: object) -> tuple[bytes, str | None]:
    """The certificate that the server shows, and the version that was agreed on; whether it is valid is not asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in settings.items():
        setattr(context, name, value)
    port = int(service.server.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), 10) as line,
        context.wrap_socket(line, server_hostname=NAME) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b"", secured.version()


def der(pair: tuple[str, str]) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair[0])


def test_an_ended_certificate_locks_nobody_of_this_machine_out(tmp_path: Path) -> None:
    pair = self_signed(["localhost"], begins=datetime.now(UTC) - timedelta(days=10), lasts=timedelta(days=9))
    with with_tls(tmp_path, pair) as service:
        trust = ssl.create_default_context(cadata=pair[0])
        with pytest.raises(httpx.ConnectError, match="expired"):
            httpx.get(f"https://localhost:{service.server.url.rpartition(':')[2]}", verify=trust, trust_env=False)
        with Service.of(tmp_path / "data") as local:
            assert local.url.startswith("http://127.0.0.1:")
            assert local.runs() == []
        with pytest.raises(SystemExit) as ended:
            main(["--data", str(tmp_path / "data"), "status", "--json"])
        assert ended.value.code == 0
        found = service.http.post("/api/v1/doctor", json={"scope": "drill"}).json()
        (own,) = [one for one in found["examinations"] if one["entry"] == "own certificate"]
        assert (own["ok"], own["rights"][0]["state"]) == (False, "missing")
        assert "Renew it" in own["rights"][0]["advice"]


def test_the_alarm_comes_early_and_once_at_each_level(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pair = self_signed([NAME], lasts=timedelta(days=90))
    files = write(tmp_path / "tls", pair)
    clock = Clock(datetime.now(UTC).timestamp())
    sheet = ESTATE.replace(DRILL, f"networks: [127.0.0.0/8], {NOTIFY}}}\n  live")
    assert sheet != ESTATE
    where = Listening(tls=files, rates=UNLIMITED.rates)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.integration.service_fixture.ESTATE", sheet)
        with running_service(tmp_path, more=WARNED, clock=clock, where=where) as service:
            watch = service.bascule.own_certificate
            end = watch.ends() or 0.0

            def told() -> list[str]:
                with service.bascule.database.read() as conn:
                    return [row.key.split(":")[2] for row in notices.listed(conn, "certificate:")]

            assert watch.consider() is None
            assert told() == []
            for left, level in ((30, "30d"), (20, "30d"), (7, "7d"), (3, "7d"), (1, "1d"), (0.5, "1d"), (-1, "ended")):
                clock.now = end - left * DAY
                due = watch.consider()
                watch.consider()
                assert due is not None
                assert due.level == level
            assert sorted(told()) == ["1d", "30d", "7d", "ended"]
            lines = [one for one in caplog.messages if "the TLS certificate" in one]
            assert len(lines) == 4
            assert "in 30 days" in lines[0]
            write(tmp_path / "tls", self_signed([NAME], lasts=timedelta(days=200)))
            clock.now = end - 40 * DAY
            assert watch.consider() is None


@pytest.mark.parametrize(
    ("left", "level"), [(31, None), (30, "30d"), (7, "7d"), (1, "1d"), (0, "ended"), (-400, "ended")]
)
def test_levels(left: float, level: str | None) -> None:
    certificate = Certificate("m", NAME, 0.0, 1000 * DAY)
    due = due_warning(certificate, (1000 - left) * DAY)
    assert (due.level if due else None) == level
    assert [name for name, _ in LEVELS] == ["ended", "1d", "7d", "30d"]


def test_a_new_certificate_is_shown_without_a_restart_and_a_broken_one_never(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = self_signed([NAME], kind="rsa"), self_signed([NAME])
    with with_tls(tmp_path, old) as service:
        assert shown(service)[0] == der(old)
        (tmp_path / "tls" / "cert.pem").write_text(new[0])  # its key has not come yet: they do not fit
        until(lambda: [one for one in caplog.messages if "the old one serves on" in one] or None, 10, lambda: "unseen")
        assert shown(service)[0] == der(old)
        write(tmp_path / "tls", new)
        until(lambda: shown(service)[0] == der(new) or None, 10, lambda: "the new one is not shown")
        (tmp_path / "tls" / "cert.pem").unlink()
        until(lambda: sum("the old one serves on" in one for one in caplog.messages) > 1 or None, 10, lambda: "unseen")
        assert shown(service)[0] == der(new)


def test_tls_is_1_2_at_least_and_told_to_browsers_over_tls_alone(tmp_path: Path) -> None:
    pair = self_signed(["localhost"])
    with with_tls(tmp_path, pair) as service:
        assert shown(service)[1] == "TLSv1.3"
        assert shown(service, maximum_version=ssl.TLSVersion.TLSv1_2)[1] == "TLSv1.2"
        with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises((ssl.SSLError, ConnectionError)):
            shown(service, maximum_version=ssl.TLSVersion.TLSv1_1)
        port = service.server.url.rpartition(":")[2]
        headers = {"Authorization": f"Bearer {service.bascule.token}"}
        trust = ssl.create_default_context(cadata=pair[0])
        outside = httpx.get(f"https://localhost:{port}/api/v1/runs", headers=headers, verify=trust, trust_env=False)
        assert outside.status_code == 200
        assert outside.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
        signed_in = httpx.get(
            f"https://localhost:{port}/", params={"token": service.bascule.token}, verify=trust, trust_env=False
        )
        assert "Secure" in signed_in.headers["set-cookie"]
        assert "Strict-Transport-Security" not in service.http.get("/api/v1/runs").headers
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://localhost:{port}/healthz", trust_env=False)


def test_a_certificate_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    files = write(tmp_path / "tls", (self_signed([NAME])[0], self_signed([NAME])[1]))
    with pytest.raises(RequestError, match="can't be used"):
        ServingTls(files)
    with pytest.raises(RequestError, match="No such file"):
        ServingTls(TlsFiles(tmp_path / "nothing", tmp_path / "nothing"))
    both = tmp_path / "both.pem"
    both.write_text("".join(self_signed([NAME])))
    assert ServingTls(TlsFiles(both, both)).look() is False


@pytest.mark.parametrize(
    ("listening", "allowed"),
    [
        (Listening(host="127.0.0.1"), True),
        (Listening(host="localhost"), True),
        (Listening(host="::1"), True),
        (Listening(host="0.0.0.0"), False),
        (Listening(host="::"), False),
        (Listening(host="192.0.2.7"), False),
        (Listening(host="bascule.example"), False),
        (Listening(host="0.0.0.0", insecure_http=True), True),
        (Listening(host="0.0.0.0", tls=TlsFiles(Path("a"), Path("b"))), True),
    ],
)
def test_nothing_crosses_a_network_in_clear_unless_it_is_asked_for(listening: Listening, allowed: bool) -> None:
    if allowed:
        listening.require_encryption()
    else:
        with pytest.raises(RequestError, match="--tls-cert"):
            listening.require_encryption()


def test_serve_refuses_to_listen_in_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--data", str(tmp_path / "data"), "serve", "--host", "0.0.0.0", "--port", "0"])
    assert ended.value.code == 1
    assert "--insecure-http" in capsys.readouterr().err
    assert not (tmp_path / "data" / "bascule.db").exists()
