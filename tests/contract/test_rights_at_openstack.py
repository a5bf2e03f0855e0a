"""What an application credential may do: good, wrong, without a rule, too wide; and nothing is changed by asking."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, Secret
from providers.compute.openstack_rights import LOOK_AT_ITSELF, NEEDED, compared
from providers.examiners import examine
from providers.rights import Examination, State, Subject
from providers.simulator.openstack_keystone import ApplicationCredential
from tests.openstack_stand_in import CREDENTIAL, SECRETS, openstack_stand_in, reveal

MakeContext = Callable[[Mapping[str, Any]], Context]
NOW = 1_790_000_000.0
"""21 September 2026."""
DOCUMENTED = (Path(__file__).parents[2] / "docs/credentials.md").read_text()
RULES = tuple(json.loads(line.rstrip(",")) for line in re.findall(r'^ *(\{"service".*)$', DOCUMENTED, re.MULTILINE))


def as_here(rules: tuple[Mapping[str, str], ...]) -> tuple[Mapping[str, str], ...]:
    """The stand-in's catalogue calls Cinder `volumev3`."""
    return tuple({**rule, "service": rule["service"].replace("block-storage", "volumev3")} for rule in rules)


def examined(make_context: MakeContext, credential: ApplicationCredential = CREDENTIAL, wrong: str = "") -> Examination:
    with openstack_stand_in(credential) as cloud:
        context = make_context({"compute": {"cloud": cloud.block}})
        context = replace(context, reveal=lambda name: Secret("wrong") if name == wrong else reveal(name))
        found = examine(context, Subject("compute", "cloud", "openstack", now=NOW))
        assert cloud.written() == []
    assert not any(secret in str(found.as_json()) for secret in SECRETS.values())
    return found


def names(found: Examination, state: State) -> list[str]:
    return [right.name for right in found.rights if right.state is state]


def test_a_credential_with_the_documented_rules(make_context: MakeContext) -> None:
    found = examined(make_context, replace(CREDENTIAL, rules=as_here(RULES), expires="2027-11-01T00:00:00.000000"))
    assert found.ok, found
    assert names(found, State.MISSING) == names(found, State.NEEDLESS) == []
    assert {"role member", "valid until 2027-11-01", "compute POST /v2.1/servers"} <= set(names(found, State.HELD))


@pytest.mark.parametrize("reference", SECRETS)
def test_a_credential_that_keystone_does_not_know(make_context: MakeContext, reference: str) -> None:
    found = examined(make_context, wrong=reference)
    assert not found.ok
    assert "does not know the credential" in found.message


def test_a_credential_that_lacks_rules(make_context: MakeContext) -> None:
    lacking = [rule for rule in RULES if (rule["method"], rule["path"]) != ("DELETE", "/v2.1/servers/*")]
    lacking = [rule for rule in lacking if not rule["path"].endswith("/flavors/detail")]
    found = examined(make_context, replace(CREDENTIAL, rules=as_here(tuple(lacking))))
    assert not found.ok
    assert names(found, State.MISSING) == [
        "list sizes",
        "compute DELETE /v2.1/servers/*",
        "compute GET /v2.1/flavors/detail",
    ]


def test_a_credential_that_may_do_too_much(make_context: MakeContext) -> None:
    wide = {"service": "compute", "method": "DELETE", "path": "/v2.1/**"}
    found = examined(
        make_context,
        replace(CREDENTIAL, roles=("admin", "member"), unrestricted=True, rules=as_here((*RULES, wide))),
    )
    assert found.ok
    assert names(found, State.NEEDLESS) == ["role admin", "unrestricted", "compute DELETE /v2.1/**"]


def test_a_credential_without_rules(make_context: MakeContext) -> None:
    found = examined(make_context)
    assert found.ok
    assert names(found, State.NEEDLESS) == ["no access rules"]
    assert "valid without end" in names(found, State.HELD)


def test_a_credential_that_may_not_look_at_itself(make_context: MakeContext) -> None:
    rules = tuple(rule for rule in RULES if rule["service"] != "identity")
    found = examined(make_context, replace(CREDENTIAL, rules=as_here(rules)))
    assert found.ok
    assert names(found, State.UNKNOWN) == ["validity"]


def test_a_credential_that_ended(make_context: MakeContext) -> None:
    found = examined(make_context, replace(CREDENTIAL, expires="2026-09-01T00:00:00.000000"))
    assert not found.ok
    assert names(found, State.MISSING) == ["valid until 2026-09-01"]


def test_a_service_below_a_path_has_it_before_its_rules() -> None:
    rules = [{**rule, "path": f"/compute{rule['path']}"} for rule in RULES]
    assert {right.state for right in compared(rules)} == {State.HELD}


def test_the_needed_rules_are_those_of_the_documentation() -> None:
    documented = [(rule["service"], rule["method"], rule["path"]) for rule in RULES]
    needed = [(service, *rule) for service, rules in NEEDED.items() for rule in rules]
    assert documented == [*needed, LOOK_AT_ITSELF]
