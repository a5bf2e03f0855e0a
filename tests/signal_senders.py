"""Monitoring systems as they post: a source of each format, with its secret, and what each of them writes."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.domain.signals.source import FORMATS

STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The example of the Standard Webhooks specification."""

SECRETS = {name: f"the secret of {name}" for name in FORMATS} | {
    "alertmanager-basic": "prometheus:pass:word",
    "behind-proxy": "the proxy's own secret",
    "standard-webhooks": STANDARD_SECRET,
    "observations": "whsec_" + base64.b64encode(b"the secret of an agent at Lyon").decode(),
}

SIGNALS = """
signals:
  sources:
    alertmanager:
      format: alertmanager
      auth: {bearer: secret://alertmanager}
      trust_domain: own-prometheus
      map:
        - {match: {vendor: microsoft-365, aspect: auth}, vendor: microsoft-365, aspect: auth, sensor: token-refresh}
        - {match: {alertname: "Mail*"}, vendor: microsoft-365, aspect: sync, value: lag}
        - {match: {alertname: Revoked}, vendor: microsoft-365, aspect: denial, outcome: denied, account: mayor}
    alertmanager-basic:
      format: alertmanager
      auth: {basic: secret://alertmanager-basic}
      trust_domain: own-prometheus
    behind-proxy:
      format: alertmanager
      auth: {mtls: secret://behind-proxy, subject: "CN=prometheus,O=Valbourg"}
      trust_domain: own-prometheus
    grafana:
      format: grafana
      auth: {hmac: secret://grafana, timestamp_header: X-Grafana-Time}
      trust_domain: own-grafana
      map: [{match: {vendor: "*"}, vendor: microsoft-365, aspect: semantic, value: B}]
    zabbix:
      format: zabbix
      auth: {token: secret://zabbix, header: X-Zabbix-Token}
      trust_domain: own-zabbix
      map: [{match: {tag.vendor: microsoft-365}, vendor: microsoft-365, aspect: tcp}]
    uptime-kuma:
      format: uptime-kuma
      auth: {token: secret://uptime-kuma, header: X-Kuma-Token}
      trust_domain: own-kuma
      vantage: lyon
      map: [{match: {name: "M365*"}, vendor: microsoft-365, aspect: tls, value: ping}]
    nagios:
      format: nagios
      auth: {hmac: secret://nagios}
      trust_domain: own-nagios
      map: [{match: {HOSTNAME: m365}, vendor: microsoft-365, aspect: tcp}]
    checkmk:
      format: checkmk
      auth: {bearer: secret://checkmk}
      trust_domain: own-checkmk
      map: [{match: {HOSTLABEL_vendor: microsoft-365}, vendor: microsoft-365, aspect: dns}]
    generic:
      format: generic
      auth: {token: secret://generic, header: X-Token}
      trust_domain: datadog
      map: [{match: {tag.vendor: microsoft-365}, vendor: microsoft-365, aspect: freshness, value: age}]
    cloudevents:
      format: cloudevents
      auth: {bearer: secret://cloudevents}
      trust_domain: bus
      map: [{match: {data.vendor: microsoft-365}, vendor: microsoft-365, aspect: auth}]
    standard-webhooks:
      format: standard-webhooks
      auth: {hmac: secret://standard-webhooks}
      trust_domain: vendor-status
      map: [{match: {data.vendor: microsoft-365}, vendor: microsoft-365, aspect: semantic}]
    observations:
      format: observations
      auth: {hmac: secret://observations}
      trust_domain: agent-lyon
      vantage: lyon
"""


def store_secrets(data: Path) -> None:
    """Put the sources' secrets where an operator would."""
    folder = data / "secrets" / "signals"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, value in SECRETS.items():
        path = folder / name
        path.write_text(f"{value}\n")
        path.chmod(0o600)


@dataclass(frozen=True, slots=True)
class Post:
    """One request: the source's name, headers with its proof, and the body."""

    source: str
    headers: Mapping[str, str]
    body: bytes


def proven(source: str, body: bytes, at: float | None = None, sent: str = "msg-1", **more: str) -> Post:
    """The body with what shows that it is the source's, signed at `at`."""
    secret, now = SECRETS[source], str(int(at if at is not None else time.time()))
    made: dict[str, Callable[[], dict[str, str]]] = {
        "alertmanager-basic": lambda: {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"},
        "behind-proxy": lambda: {"X-Bascule-Proxy": secret, "X-Client-Subject": "CN=prometheus,O=Valbourg"},
        "grafana": lambda: {
            "X-Grafana-Alerting-Signature": _hexadecimal(secret, f"{now}:".encode() + body),
            "X-Grafana-Time": now,
        },
        "zabbix": lambda: {"X-Zabbix-Token": secret},
        "uptime-kuma": lambda: {"X-Kuma-Token": secret},
        "generic": lambda: {"X-Token": secret},
        "nagios": lambda: {
            "X-Bascule-Signature": _hexadecimal(secret, f"{now}:".encode() + body),
            "X-Bascule-Timestamp": now,
        },
    }
    made |= dict.fromkeys(
        ("standard-webhooks", "observations"),
        lambda: {
            "webhook-id": sent,
            "webhook-timestamp": now,
            "webhook-signature": f"v1,bm9uc2Vuc2U= {standard_signature(secret, sent, now, body)}",
        },
    )
    own = made.get(source, lambda: {"Authorization": f"Bearer {secret}"})()
    return Post(source, {"Content-Type": "application/json", **own, **more}, body)


def standard_signature(secret: str, sent: str, timestamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    message = f"{sent}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def _hexadecimal(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def alertmanager(*alerts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A notification of Alertmanager 0.28."""
    status = "firing" if any(one["status"] == "firing" for one in alerts) else "resolved"
    return {
        "version": "4",
        "groupKey": '{}:{alertname="Login"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "bascule",
        "groupLabels": {"alertname": "Login"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "alerts": list(alerts),
        **more,
    }


def alert(
    status: str = "firing",
    started: str = "2026-11-25T09:12:00.123456789Z",
    ended: str = "0001-01-01T00:00:00Z",
    fingerprint: str = "b6cb4b3b1a8e0f01",
    annotations: Mapping[str, str] | None = None,
    **names: str,
) -> dict[str, Any]:
    return {
        "status": status,
        "labels": names or {"alertname": "Login", "vendor": "microsoft-365", "aspect": "auth"},
        "annotations": dict(annotations or {}),
        "startsAt": started,
        "endsAt": ended,
        "generatorURL": "http://prometheus.example:9090/graph",
        "fingerprint": fingerprint,
    }


def kuma(status: int, at: str = "2026-11-25 09:12:00.000") -> dict[str, Any]:
    beat = {"monitorID": 7, "status": status, "time": at, "msg": "x", "ping": 120, "important": True, "duration": 60}
    monitor = {"id": 7, "name": "M365 login", "url": "https://login.example", "type": "http", "tags": []}
    return {"heartbeat": beat, "monitor": monitor, "msg": "[M365 login] down"}


def zabbix(value: str = "1", event: str = "4711") -> dict[str, Any]:
    return {
        "event_id": event,
        "event_value": value,
        "event_update_status": "0",
        "event_source": "0",
        "event_nseverity": "5",
        "event_time": "1795597920",
        "event_recovery_time": "{EVENT.RECOVERY.TIMESTAMP}" if value == "1" else "1795598000",
        "alert_subject": "Problem: login",
        "event_tags": '[{"tag":"vendor","value":"microsoft-365"}]',
        "trigger_id": "99",
        "host_name": "m365",
        "host_ip": "192.0.2.7",
    }


def macros(**said: str) -> dict[str, Any]:
    """What `bascule notify` posts."""
    usual = {"HOSTNAME": "m365", "SERVICEDESC": "login", "SERVICESTATE": "CRITICAL", "NOTIFICATIONTYPE": "PROBLEM"}
    changed = {"LASTSERVICESTATECHANGE": "1795597920", "HOSTLABEL_vendor": "microsoft-365"}
    return {"id": "notify-1", "at": 1795597930.0, "macros": {**usual, **changed, **said}}


def datadog(transition: str = "Triggered", **more: Any) -> dict[str, Any]:
    return {
        "id": "8120093",
        "title": "Feed is stale",
        "body": "%%% no news %%%",
        "event_type": "query_alert_monitor",
        "alert_transition": transition,
        "date": "1795597920000",
        "last_updated": "1795597921000",
        "org": {"id": "11", "name": "Valbourg"},
        "tags": "vendor:microsoft-365,team:mail",
        **more,
    }


def cloudevent(kind: str = "eu.example.probe.failed", **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/probes/lyon",
        "type": kind,
        "time": "2026-11-25T09:12:00+00:00",
        "data": {"vendor": "microsoft-365"},
        **more,
    }


def standard(kind: str = "incident.failed") -> dict[str, Any]:
    return {"type": kind, "timestamp": "2026-11-25T09:12:00Z", "data": {"vendor": "microsoft-365"}}


def observed(**said: Any) -> dict[str, Any]:
    """What `bascule probe-agent` posts, with one observation."""
    usual = {
        "at": "2026-11-25T09:12:00Z",
        "vendor": "microsoft-365",
        "aspect": "auth",
        "sensor": "token",
        "vantage": "anywhere",
        "trust_domain": "anybody",
        "outcome": "fail",
        "value": None,
    }
    return {"observations": [{**usual, **said}]}


NEWS: Mapping[str, Callable[[], Any]] = {
    "alertmanager": lambda: alertmanager(alert()),
    "grafana": lambda: alertmanager(alert(), version="1", orgId=1, title="x", state="alerting", message="x"),
    "zabbix": zabbix,
    "uptime-kuma": lambda: kuma(0),
    "nagios": macros,
    "checkmk": macros,
    "generic": datadog,
    "cloudevents": cloudevent,
    "standard-webhooks": standard,
    "observations": observed,
}
"""Format: a body of which each source of that name makes one observation, `fail`, at 2026-11-25 09:12:00 UTC."""
