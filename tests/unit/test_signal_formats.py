"""What each monitoring system writes becomes the right observation, and nothing that is no news does."""

import json
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.estate import read_estate
from orchestrator.domain.signals.alert import Unfit, moment, read_json, text
from orchestrator.domain.signals.formats.registry import READERS
from orchestrator.domain.signals.mapping import Meaning, meaning
from orchestrator.domain.signals.source import FORMATS, Source
from tests.integration.service_fixture import ESTATE
from tests.signal_senders import (
    NEWS,
    SIGNALS,
    alert,
    alertmanager,
    as_bytes,
    cloudevent,
    datadog,
    kuma,
    macros,
    zabbix,
)

NOON = 1795608000.0
NEWS_AT = 1795597920.0
"""2026-11-25 09:12:00 UTC."""

ESTATE_READ, PROBLEMS = read_estate(ESTATE + SIGNALS)


def source(name: str) -> Source:
    assert ESTATE_READ is not None, PROBLEMS
    return ESTATE_READ.signals.sources[name]


def means(name: str, body: Any, **headers: str) -> Meaning:
    data = body if isinstance(body, bytes) else as_bytes(body)
    sent = {"content-type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
    return meaning(name, source(name), READERS[source(name).format](sent, data), NOON, {"microsoft-365"})


@pytest.mark.parametrize("name", FORMATS)
def test_news_of_every_sender_become_one_failing_observation(name: str) -> None:
    found = means(name, NEWS[name](), webhook_id="msg-1")
    assert [one.reason for one in found.unmapped] == []
    [seen] = found.seen
    assert seen.observation.vendor == "microsoft-365"
    assert seen.observation.outcome == "fail"
    assert seen.observation.at == pytest.approx(NEWS_AT, abs=10)
    assert seen.observation.trust_domain == source(name).trust_domain
    assert seen.observation.vantage == (source(name).vantage or name)
    assert seen.key


@pytest.mark.parametrize(
    ("name", "body", "outcome"),
    [
        ("alertmanager", alertmanager(alert("resolved", ended="2026-11-25T10:00:00Z")), "ok"),
        ("zabbix", zabbix("0"), "ok"),
        ("zabbix", zabbix() | {"event_source": "3"}, "unknown"),
        ("uptime-kuma", kuma(1), "ok"),
        ("uptime-kuma", kuma(2), "unknown"),
        ("uptime-kuma", kuma(3), "unknown"),
        ("nagios", macros(SERVICESTATE="OK", NOTIFICATIONTYPE="RECOVERY"), "ok"),
        ("nagios", macros(SERVICESTATE="WARNING"), "unknown"),
        ("nagios", macros(NOTIFICATIONTYPE="ACKNOWLEDGEMENT"), "unknown"),
        ("nagios", macros(SERVICEDESC="", HOSTSTATE="DOWN"), "fail"),
        ("nagios", macros(SERVICEDESC="", HOSTSTATE="UNREACHABLE"), "unknown"),
        ("checkmk", macros(SERVICESTATE="CRIT"), "fail"),
        ("generic", datadog("Recovered"), "ok"),
        ("generic", datadog("No Data"), "unknown"),
        ("generic", datadog(status="denied"), "denied"),
        ("cloudevents", cloudevent("eu.example.probe.recovered"), "ok"),
        ("cloudevents", cloudevent("eu.example.probe.seen"), "unknown"),
        ("cloudevents", cloudevent(data={"vendor": "microsoft-365", "status": "refused"}), "denied"),
    ],
)
def test_states_of_senders(name: str, body: Any, outcome: str) -> None:
    assert [seen.observation.outcome for seen in means(name, body).seen] == [outcome]


def test_a_rule_gives_sensor_value_account_and_what_firing_means() -> None:
    lag = alert(alertname="MailSlow", annotations={"lag": "2820.5", "summary": "{{ 7*7 }}"})
    revoked = alert(alertname="Revoked", fingerprint="2")
    first, second = means("alertmanager", alertmanager(lag, revoked)).seen
    assert (first.observation.sensor, first.observation.aspect, first.observation.value) == (
        "alertmanager",
        "sync",
        2820.5,
    )
    assert (second.observation.outcome, second.observation.account) == ("denied", "mayor")
    [third] = means("alertmanager", alertmanager(alert())).seen
    assert third.observation.sensor == "token-refresh"


@pytest.mark.parametrize("lag", ["NaN", "inf", "1e300", "x" * 1000, "", "9" * 39])
def test_a_value_that_measures_nothing_is_none(lag: str) -> None:
    [seen] = means("alertmanager", alertmanager(alert(alertname="MailSlow", annotations={"lag": lag}))).seen
    assert seen.observation.value is None


def test_a_repetition_has_the_same_key_and_news_have_another() -> None:
    def key(**said: Any) -> str:
        return means("alertmanager", alertmanager(alert(**said))).seen[0].key

    firing = key()
    assert key() == firing
    assert key(started="2026-11-25T09:40:00Z") != firing
    assert key(status="resolved", ended="2026-11-25T09:30:00Z") != firing
    assert key(fingerprint="other") != firing
    assert key(fingerprint="") == key(fingerprint="")
    assert means("nagios", macros() | {"id": "notify-2"}).seen[0].key == means("nagios", macros()).seen[0].key


def test_without_an_id_of_its_own_nothing_shows_a_repetition() -> None:
    assert means("generic", datadog(id="")).seen[0].key == ""


def test_a_sender_whose_clock_is_ahead_puts_nothing_into_the_future() -> None:
    ahead = alertmanager(alert(started="2027-01-01T00:00:00Z"))
    little = alertmanager(alert(started="2026-11-25T12:01:00Z"))
    assert means("alertmanager", ahead).seen[0].observation.at == NOON
    assert means("alertmanager", little).seen[0].observation.at == NOON
    late = alertmanager(alert(started="2026-11-20T09:12:00Z"))
    assert means("alertmanager", late).seen[0].observation.at == pytest.approx(NOON - 5 * 86400 - 10080, abs=1)


def test_what_no_rule_speaks_of_is_told_with_its_labels() -> None:
    found = means("alertmanager", alertmanager(alert(), alert(alertname="Disk", team="x"), truncatedAlerts=3))
    assert len(found.seen) == 1
    assert found.left == 2
    assert "left out 3 alerts" in found.unmapped[0].reason
    assert found.unmapped[1].labels == {"alertname": "Disk", "team": "x"}


def test_uptime_kumas_test_message_is_no_news() -> None:
    found = means("uptime-kuma", {"heartbeat": None, "monitor": None, "msg": "Testing"})
    assert not found.seen
    assert "without a heartbeat" in found.unmapped[0].reason


def test_a_flood_of_alerts_in_one_delivery_is_bounded_and_told() -> None:
    many = [alert(fingerprint=str(number)) for number in range(1500)]
    found = means("alertmanager", alertmanager(*many))
    assert len(found.seen) == 1000
    assert "500 alerts above 1000" in found.unmapped[0].reason


def test_cloudevents_in_binary_and_batched_mode() -> None:
    attributes = {"ce_specversion": "1.0", "ce_id": "e-1", "ce_source": "/probes/lyon", "ce_type": "a.failed"}
    binary = means("cloudevents", {"vendor": "microsoft-365"}, ce_time="2026-11-25T09:12:00Z", **attributes)
    assert binary.seen[0].observation.at == NEWS_AT
    assert binary.seen[0].key == means("cloudevents", cloudevent()).seen[0].key
    batch = [cloudevent(), cloudevent(id="e-2"), {"id": "e-3"}]
    found = means("cloudevents", batch, content_type="application/cloudevents-batch+json")
    assert len(found.seen) == 2
    assert "Event 3" in found.unmapped[0].reason
    plain = means("cloudevents", b"\xff text", content_type="text/plain", **attributes)
    assert not plain.seen
    assert plain.left == 1


def test_a_rules_star_stands_for_anything_and_other_signs_for_themselves() -> None:
    ruled = source("alertmanager")
    rule = ruled.map[0].model_copy(update={"match": {"alertname": "a[b]?*"}})
    ruled = ruled.model_copy(update={"map": (rule,)})
    for name, fits in (("a[b]?c", True), ("a[b]?", True), ("abXc", False), ("a[b]Xc", False)):
        reading = READERS["alertmanager"]({}, as_bytes(alertmanager(alert(alertname=name))))
        assert bool(meaning("x", ruled, reading, NOON).seen) is fits


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe", b"{", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 1, "a": 2}'),
        *(b"[" * 100_000, b"9" * 5000, b"[" + b"[]," * 60_000 + b"[]]"),
    ],
)
def test_what_is_no_json_is_unfit_with_a_sentence(body: bytes) -> None:
    with pytest.raises(Unfit, match=r"^The body .+\.$"):
        read_json(body)


def test_foreign_values_become_bounded_storable_text() -> None:
    assert text(int("9" * 4000)) == "9" * 500
    assert text("\ud800a\0b") == "?a�b"
    assert text({"a": 1}) == text([1]) == text(None) == ""
    assert text(value=True) == "true"
    times: list[object] = [True, [], {}, None, "x" * 100, "0001-01-01T00:00:00Z", -5, 10**400, "9999-99-99", 1e308]
    for nonsense in times:
        assert moment(nonsense) is None
    assert moment("2026-11-25T10:12:00+01:00") == moment(1795597920000) == moment("1795597920") == NEWS_AT


def test_the_meaning_of_a_delivery_holds_nothing_of_the_alerts_own_words() -> None:
    """What reaches the verdicts was all written by the estate's author, but for a time and a number."""
    hostile = alert(alertname="Mail{{ lookup('pipe', 'id') }}", annotations={"summary": "<script>alert(1)</script>"})
    [seen] = means("alertmanager", alertmanager(hostile)).seen
    assert "lookup" not in json.dumps(replace(seen, key="").observation.as_json())
