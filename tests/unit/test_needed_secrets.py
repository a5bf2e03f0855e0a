"""Which secrets a plan can't do without."""

from typing import Any

import pytest

from orchestrator.domain.authority import Refused, check_secrets
from orchestrator.domain.model import Mode
from orchestrator.domain.needed_secrets import missing_secrets
from orchestrator.domain.plan import Plan, PlannedStep

SCOPE = {
    "mode": "drill",
    "zones": {"town.example": "drill.town.example"},
    "compute": {
        "one": {"driver": "scaleway", "token": "secret://one"},
        "two": {"driver": "outscale", "access_key": "secret://two-access", "secret_key": "secret://two-secret"},
    },
    "dns": {"zones": {"drill.town.example": {"driver": "rfc2136", "key": "secret://tsig"}}},
    "storage": {"source": {"access_key": "secret://source"}, "target": {"access_key": "secret://target"}},
    "notify": {"crisis": {"driver": "apprise", "url": "secret://crisis"}},
    "ssh": {"user": "root", "key": "secret://ssh"},
}
ALL = {"one", "two-access", "two-secret", "tsig", "source", "target", "crisis", "ssh", "admin"}


def plan(uses: str, with_: dict[str, Any], **more: Any) -> Plan:
    step = PlannedStep.model_validate(
        {"id": "a/b", "uses": uses, "with": with_, "service": "a", "runbook": "a", **more}
    )
    return Plan(commit="c", scope="drill", mode="drill", direction="failover", services=("a",), steps=(step,))


def missing(made: Plan, *absent: str) -> list[str]:
    there = {f"secret://{name}" for name in ALL - set(absent)}
    return [one.removeprefix("secret://") for one in missing_secrets(made, SCOPE, there.__contains__)]


@pytest.mark.parametrize(
    ("uses", "with_", "absent", "told"),
    [
        ("compute.server", {"provider": "one", "name": "x"}, ["one", "two-access"], ["one"]),
        ("compute.server", {"provider": ["one", "two"]}, ["one", "two-secret"], ["one"]),
        ("compute.server", {"provider": ["one", "two"]}, ["one"], []),
        ("compute.server", {"provider": ["two", "one"]}, ["two-secret", "two-access"], []),
        ("dns.records", {"zone": "town.example", "records": []}, ["tsig"], ["tsig"]),
        ("dns.records", {"zones": ["town.example", "other.example"]}, ["tsig"], ["tsig"]),
        ("storage.copy", {"from": {"store": "source"}, "to": {"store": "target"}}, ["target"], ["target"]),
        ("notify.send", {"channel": "crisis"}, ["crisis"], ["crisis"]),
        ("ansible.play", {"play": "a.yml", "secrets": {"admin": "secret://admin"}}, ["ssh", "admin"], ["admin", "ssh"]),
        ("probe.tcp", {"host": "a", "port": 1}, sorted(ALL), []),
        ("ansible.play", {"secrets": {"admin": "secret://${{ parameters.name }}"}}, ["admin"], []),
    ],
)
def test_what_a_step_needs(uses: str, with_: dict[str, Any], absent: list[str], told: list[str]) -> None:
    assert missing(plan(uses, with_), *absent) == told
    assert missing(plan(uses, with_)) == []


def test_a_check_after_the_step_is_part_of_it() -> None:
    verify = {"uses": "probe.ssh", "with": {"host": "a"}, "within": 5.0}
    assert missing(plan("wait.for", {"duration": 1.0}, verify=verify), "ssh") == ["ssh"]


def test_a_rehearsal_goes_without_and_the_others_do_not() -> None:
    check_secrets(Mode.REHEARSAL, ["secret://a"])
    check_secrets(Mode.LIVE, [])
    for mode in (Mode.DRILL, Mode.LIVE):
        with pytest.raises(Refused, match="secret://a, secret://b"):
            check_secrets(mode, ["secret://a", "secret://b"])
