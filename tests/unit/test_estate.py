"""bascule.yaml: services, and scopes as providers are given them."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.estate import Estate, read_estate
from orchestrator.domain.model import Mode
from orchestrator.domain.problem import Problem

TEXT = (Path(__file__).parent.parent / "cases" / "estate" / "bascule.yaml").read_text(encoding="utf-8")


def read(text: str = TEXT) -> Estate:
    estate, problems = read_estate(text)
    assert problems == []
    assert estate is not None
    return estate


def problems_of(old: str, new: str) -> list[Problem]:
    assert old in TEXT
    estate, problems = read_estate(TEXT.replace(old, new, 1))
    assert estate is None
    assert all(problem.remedy for problem in problems)
    return problems


def scope(name: str) -> dict[str, Any]:
    return read().scopes[name].model_dump(mode="json", by_alias=True)


def test_services_are_typed_and_durations_are_seconds() -> None:
    web = read().services["web"]
    assert (web.needs, web.criticality, web.vendor, web.target) == (("directory",), "normal", "aws", "scaleway")
    assert (web.rto, web.rpo, web.failover, web.failback) == (3600.0, None, "web-failover", "web-failback")


def test_a_scope_is_handed_to_providers_with_the_keys_it_is_written_with() -> None:
    found = scope("rehearsal")
    assert found["mode"] == "rehearsal"
    assert found["networks"] == ["127.0.0.0/8"]
    assert found["notify"]["crisis"] == {
        "driver": "smtp",
        "host": "127.0.0.1",
        "port": 25,
        "from": "bascule@trial.example",
        "to": ["crisis@trial.example"],
    }
    assert found["dns"]["zones"]["trial.example"]["key_algorithm"] == "hmac-sha256"
    assert found["ssh"] == {"user": "root", "port": 22, "key": "secret://ssh-key", "host_keys": "accept-new"}


def test_blocks_that_a_scope_does_not_have_are_absent_or_empty_for_providers() -> None:
    found = scope("drill")
    assert "ssh" not in found
    assert "networks" not in found
    assert found["storage"] == {}
    assert found["tls"] == {"ca": None, "verify": False}
    assert read().scopes["drill"].mode is Mode.DRILL


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("token: secret://scaleway-token", "token: 3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
        ("key: secret://tsig", "key: c2VjcmV0IHRzaWcga2V5"),
        ("secret_key: secret://b", "secret_key: hunter2"),
        ("ssh: {key: secret://ssh-key}", "ssh: {key: '-----BEGIN OPENSSH PRIVATE KEY-----'}"),
        ("api_key: secret://drill-pdns", "api_key: hunter2"),
        ("url: secret://drill-crisis", "url: mailtos://user:hunter2@example.net"),
    ],
)
def test_a_secret_in_clear_is_a_problem_that_does_not_repeat_it(old: str, new: str) -> None:
    problems = problems_of(old, new)
    assert [problem.message for problem in problems] == [
        "Only a reference to a secret may stand here, never the secret."
    ]
    assert "secret://" in problems[0].remedy
    assert "hunter2" not in str(problems[0])


def test_a_key_of_another_driver_is_unknown() -> None:
    problems = problems_of("key_name: bascule", "keyname: bascule")
    assert [problem.message for problem in problems] == ["`key_name` is missing.", "The key `keyname` is unknown here."]
    assert problems[1].remedy == "Did you mean `key_name`?"


@pytest.mark.parametrize(
    "address", ["ns.example.net:53", "192.0.2.1:0", "192.0.2.1:99999", "[2001:db8::1", "192.0.2.1:x"]
)
def test_a_name_server_is_an_address(address: str) -> None:
    problems = problems_of('resolvers: ["127.0.0.1:53"]', f'resolvers: ["{address}"]')
    assert [problem.message for problem in problems] == ["This is not an IP address with a port."]


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1", "[2001:db8::1]"])
def test_addresses_of_both_families_are_read(address: str) -> None:
    text = TEXT.replace('resolvers: ["127.0.0.1:53"]', f'resolvers: ["{address}"]')
    assert read(text).scopes["rehearsal"].dns.resolvers == [address]


def test_one_broken_scope_does_not_hide_another() -> None:
    text = TEXT.replace("mode: rehearsal", "mode: rehersal").replace("prefix: drill-", "prefix: DRILL")
    _, problems = read_estate(text)
    assert [problem.message.split(";")[0] for problem in problems] == [
        "`mode` is “rehersal”",
        "`prefix` is “DRILL”",
    ]
    assert problems[0].remedy == "Did you mean `rehearsal`?"
