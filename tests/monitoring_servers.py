"""Real monitoring for tests: Prometheus, blackbox exporter and Alertmanager from Debian, on loopback.

A `Monitor` is one trust domain: three programs of its own, which look at what they are told to every second and post
to one source of Bascule. Each starts in the foreground as a child of the test, in a directory of its own, and is ended
by its own process id; Debian's services are neither used nor changed.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.dns_servers import free_port, program, running

HOST = "127.0.0.1"
VENDOR = "microsoft-365"
CONTROL = "control-town-site"
PLACES: Mapping[str, Sequence[str]] = {
    "auth": ("login", "token", "profile"),
    "semantic": ("mail", "calendar", "files"),
}
"""Aspect: what is looked at of a vendor. Each is an alert of its own: several of them are more than one chance."""
FAILS, REFUSED = "Fails", "Refused"
"""The alerts. A place that refuses fails as well; each is a sensor of its own, so that neither ends the other."""
_HTTP = httpx.Client(timeout=10, trust_env=False, verify=False)


class Site:
    """A web server of the test's, always at one address: it answers, or refuses everybody, or is not there."""

    def __init__(self) -> None:
        self.port = free_port()
        self.refuses = False
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def url(self, place: str = "") -> str:
        return f"http://{HOST}:{self.port}/{place}"

    def start(self) -> None:
        if self._server is None:
            self._server = _Answering((HOST, self.port), _answering(self))
            self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
            self._thread.start()

    def stop(self) -> None:
        """Connections are refused from now on."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None


class _Answering(ThreadingHTTPServer):
    daemon_threads = True


def _answering(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"no active subscription" if site.refuses else b"well"
            self.send_response(403 if site.refuses else 200)
            self.send_header("Content-Length", str(len(body)))
            with contextlib.suppress(ConnectionError):  # who looks hangs up when its second is over
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Nothing is said of each look."""

    return Handler


@dataclass(frozen=True, slots=True)
class Target:
    """One place that is looked at; `subject` is a vendor or a control as Bascule names it."""

    url: str
    subject: str
    aspect: str


def vendor_targets(site: Site, vendor: str = VENDOR) -> list[Target]:
    return [Target(site.url(place), vendor, aspect) for aspect, places in PLACES.items() for place in places]


def control_target(site: Site, control: str = CONTROL) -> Target:
    return Target(site.url(), control, "tcp")


def signals_of(domains: Sequence[str], vendor: str = VENDOR, control: str = CONTROL) -> str:
    """The estate's block `signals`: a source for each monitor, which is a trust domain and a vantage of its own."""
    rules = [
        *(
            {"match": {"alertname": FAILS, "subject": vendor, "aspect": aspect}, "vendor": vendor, "aspect": aspect}
            for aspect in PLACES
        ),
        {
            "match": {"alertname": REFUSED, "subject": vendor},
            "vendor": vendor,
            "aspect": "denial",
            "outcome": "denied",
        },
        {"match": {"alertname": FAILS, "subject": control}, "vendor": control, "aspect": "tcp"},
    ]
    sources = {
        domain: {
            "format": "alertmanager",
            "auth": {"bearer": f"secret://{domain}"},
            "trust_domain": domain,
            "vantage": domain,
            "map": rules,
        }
        for domain in domains
    }
    return yaml.safe_dump({"signals": {"sources": sources}})


def secret_of(domain: str) -> str:
    return f"the secret of {domain}"


def store_secrets_of(domains: Sequence[str], data: Path) -> None:
    """Put the sources' secrets where an operator would."""
    folder = data / "secrets" / "signals"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for domain in domains:
        (folder / domain).write_text(secret_of(domain))
        (folder / domain).chmod(0o600)


@dataclass(frozen=True, slots=True)
class Monitor:
    """A running trust domain. `log`: what its three programs said last, for a failure's text."""

    domain: str
    prometheus: int
    alertmanager: int
    directory: Path

    def seen(self, target: Target) -> float | None:
        """What its Prometheus saw of the target last: 1 it answers, 0 it does not; None before the first look."""
        query = f'probe_success{{instance="{target.url}"}}'
        found = _asked(self.prometheus, "/api/v1/query", query=query)["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[tuple[str, str]]:
        """Alertname and instance of what its Alertmanager holds to be firing."""
        found = _asked(self.alertmanager, "/api/v2/alerts", active="true")
        return {(one["labels"]["alertname"], one["labels"]["instance"]) for one in found}

    @property
    def log(self) -> str:
        return "\n".join(
            (self.directory / name).read_text(errors="replace")[-2000:]
            for name in ("blackbox.log", "prometheus.log", "alertmanager.log")
        )


@contextmanager
def monitor(directory: Path, domain: str, targets: Sequence[Target], bascule: str) -> Iterator[Monitor]:
    """A trust domain that looks at the targets and posts to the source of its name at `bascule`, a base address."""
    directory.mkdir(parents=True)
    ports = {name: free_port() for name in ("blackbox", "prometheus", "alertmanager")}
    _write(directory / "blackbox.yml", _BLACKBOX)
    _write(directory / "alertmanager.yml", _alertmanager(f"{bascule}/webhooks/{domain}", secret_of(domain)))
    _write(directory / "rules.yml", _RULES)
    _write(directory / "prometheus.yml", _prometheus(targets, ports))
    with ExitStack() as stack:
        for name, command, ready in _programs(directory, ports):
            stack.enter_context(running(command, directory / f"{name}.log", _answers(ports[name], ready)))
        yield Monitor(domain, ports["prometheus"], ports["alertmanager"], directory)


def _programs(directory: Path, ports: Mapping[str, int]) -> Iterator[tuple[str, list[str], str]]:
    """Each with its command and the path at which it says that it is ready."""
    listen = {name: f"--web.listen-address={HOST}:{port}" for name, port in ports.items()}
    config = {name: f"--config.file={directory / name}.yml" for name in ports}
    exporter = program("prometheus-blackbox-exporter", "prometheus-blackbox-exporter")
    yield "blackbox", [exporter, config["blackbox"], listen["blackbox"], "--timeout-offset=0.1"], "/-/healthy"
    manager = program("prometheus-alertmanager", "prometheus-alertmanager")
    alone = ["--cluster.listen-address=", f"--storage.path={directory / 'alerts'}"]
    yield "alertmanager", [manager, config["alertmanager"], listen["alertmanager"], *alone], "/-/ready"
    prometheus = program("prometheus", "prometheus")
    kept = f"--storage.tsdb.path={directory / 'series'}"
    yield "prometheus", [prometheus, config["prometheus"], listen["prometheus"], kept], "/-/ready"


_BLACKBOX = {
    "modules": {"web": {"prober": "http", "http": {"preferred_ip_protocol": "ip4", "follow_redirects": False}}}
}

_RULES = {
    "groups": [
        {
            "name": "bascule",
            "rules": [
                {"alert": FAILS, "expr": "probe_success == 0", "for": "2s", "labels": {"bascule": "yes"}},
                {
                    "alert": REFUSED,
                    "expr": " or ".join(f"probe_http_status_code == {status}" for status in (401, 403, 451)),
                    "for": "2s",
                    "labels": {"bascule": "yes"},
                },
            ],
        }
    ]
}


def _prometheus(targets: Sequence[Target], ports: Mapping[str, int]) -> dict[str, Any]:
    exporter, manager = (f"{HOST}:{ports[name]}" for name in ("blackbox", "alertmanager"))
    looked_at = [{"targets": [one.url], "labels": {"subject": one.subject, "aspect": one.aspect}} for one in targets]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": [
            {
                "job_name": "places",
                "metrics_path": "/probe",
                "params": {"module": ["web"]},
                "static_configs": looked_at,
                "relabel_configs": [
                    {"source_labels": ["__address__"], "target_label": "__param_target"},
                    {"source_labels": ["__param_target"], "target_label": "instance"},
                    {"target_label": "__address__", "replacement": exporter},
                ],
            }
        ],
    }


def _alertmanager(webhook: str, secret: str) -> dict[str, Any]:
    return {
        "route": {
            "receiver": "bascule",
            "group_by": ["alertname", "subject", "aspect"],
            "group_wait": "1s",
            "group_interval": "1s",
            "repeat_interval": "1s",
        },
        "receivers": [
            {
                "name": "bascule",
                "webhook_configs": [
                    {
                        "url": webhook,
                        "send_resolved": True,
                        "http_config": {"authorization": {"type": "Bearer", "credentials": secret}},
                    }
                ],
            }
        ],
    }


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content))  # JSON is YAML


def _asked(port: int, path: str, **query: str) -> Any:
    return _HTTP.get(f"http://{HOST}:{port}{path}", params=query).raise_for_status().json()


def _answers(port: int, path: str) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            return _HTTP.get(f"http://{HOST}:{port}{path}").is_success
        except httpx.TransportError:
            return False

    return ready
