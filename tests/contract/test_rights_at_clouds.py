"""What a cloud's credential may do: good, wrong, too little, too much; and nothing is changed by asking."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, Reveal, Secret
from providers.compute.outscale_rights import NEVER_USED, USED
from providers.examiners import examine
from providers.ovhcloud_rules import compared, project_rules, rules_beside, zone_rules
from providers.rights import Examination, State, Subject
from tests import outscale_stand_in as outscale
from tests import ovhcloud_stand_in as ovhcloud
from tests.vendor_stand_ins import TOKEN, CloudStandIn, cloud_stand_in, reveal

MakeContext = Callable[[Mapping[str, Any]], Context]
NOW = 1_790_000_000.0
"""21 September 2026."""
DOCUMENTED = (Path(__file__).parents[2] / "docs/credentials.md").read_text()
POLICY = tuple(re.findall(r'"(api:\w+)"', DOCUMENTED))


def examined(make_context: MakeContext, cloud: CloudStandIn, secrets: Reveal, *images: str, **more: Any) -> Examination:
    context = replace(make_context({"compute": {"cloud": {**cloud.block, **more}}}), reveal=secrets)
    found = examine(context, Subject("compute", "cloud", cloud.block["driver"], now=NOW, images=images))
    assert cloud.written() == []
    return found


def names(found: Examination, state: State) -> list[str]:
    return [right.name for right in found.rights if right.state is state]


def wrong(secrets: Reveal, *references: str) -> Reveal:
    return lambda reference: Secret("not-the-right-one") if reference in references else secrets(reference)


# Scaleway


def test_a_scaleway_token_that_may_do_what_is_needed(make_context: MakeContext) -> None:
    with cloud_stand_in() as cloud:
        found = examined(make_context, cloud, reveal, organization=cloud.fleet.catalogue.organization)
    assert found.ok
    assert names(found, State.MISSING) == names(found, State.NEEDLESS) == []
    assert "list servers" in names(found, State.HELD)
    assert any(name.startswith("create, change") for name in names(found, State.UNKNOWN))
    assert TOKEN not in str(found.as_json())


def test_a_scaleway_token_that_is_wrong(make_context: MakeContext) -> None:
    with cloud_stand_in() as cloud:
        found = examined(make_context, cloud, wrong(reveal, "secret://scaleway-token"))
    assert not found.ok
    assert "refuses every read" in found.message


def test_a_scaleway_token_without_block_storage(make_context: MakeContext) -> None:
    with (
        cloud_stand_in() as cloud,
        cloud.faulty({"route": "GET /block/*", "kind": "status", "status": 403, "times": None}),
    ):
        found = examined(make_context, cloud, reveal)
    assert not found.ok
    assert names(found, State.MISSING) == ["list volumes, snapshots and firewalls"]


def test_a_scaleway_token_that_opens_more_than_servers(make_context: MakeContext) -> None:
    with cloud_stand_in(frozenset({"IAMReadOnly", "AllProductsReadOnly"})) as cloud:
        found = examined(make_context, cloud, reveal, organization=cloud.fleet.catalogue.organization)
    assert found.ok
    assert names(found, State.NEEDLESS) == [
        "read Kubernetes clusters (AllProductsReadOnly or more)",
        "read API keys (IAMReadOnly or more)",
    ]


def test_an_image_that_a_runbook_names_and_nobody_has(make_context: MakeContext) -> None:
    with cloud_stand_in() as cloud:
        found = examined(make_context, cloud, reveal, "debian-12", "plan-9")
    assert not found.ok
    assert names(found, State.MISSING) == ["find image plan-9"]


def test_a_cloud_that_is_not_there(make_context: MakeContext) -> None:
    context = make_context({"compute": {"cloud": {"driver": "scaleway", "url": "http://127.0.0.1:9", "zone": "fr-par-1",
                                                  "project": "p", "token": "secret://scaleway-token"}}})  # fmt: skip
    found = examine(replace(context, deadline=1.0), Subject("compute", "cloud", "scaleway"))
    assert not found.ok
    assert "Scaleway fr-par-1" in found.message


# OVHcloud


def test_a_consumer_key_with_the_documented_rules(make_context: MakeContext) -> None:
    with ovhcloud.ovhcloud_stand_in(expiration="2027-11-25T00:00:00+00:00") as cloud:
        found = examined(make_context, cloud, ovhcloud.reveal)
    assert found.ok
    assert names(found, State.MISSING) == names(found, State.NEEDLESS) == []
    assert "valid until 2027-11-25" in names(found, State.HELD)
    assert not any(secret in str(found.as_json()) for secret in ovhcloud.SECRETS.values())


@pytest.mark.parametrize("reference", ovhcloud.SECRETS)
def test_keys_that_ovhcloud_does_not_know(make_context: MakeContext, reference: str) -> None:
    with ovhcloud.ovhcloud_stand_in() as cloud:
        found = examined(make_context, cloud, wrong(ovhcloud.reveal, reference))
        asked = len([request for request in cloud.asked if request.path != "/1.0/auth/time"])
    assert not found.ok
    assert "does not know the credential" in found.message
    assert asked == 1


def test_a_consumer_key_that_lacks_a_rule(make_context: MakeContext) -> None:
    rules = [rule for rule in ovhcloud.seed_rules() if not rule.startswith("DELETE") and "sshkey" not in rule]
    with ovhcloud.ovhcloud_stand_in(rules) as cloud:
        found = examined(make_context, cloud, ovhcloud.reveal)
        below = f"/cloud/project/{cloud.fleet.catalogue.project}"
    assert not found.ok
    assert names(found, State.MISSING) == [
        f"GET {below}/sshkey*",
        f"DELETE {below}/instance/*",
        f"DELETE {below}/volume/*",
    ]


def test_a_consumer_key_for_everything(make_context: MakeContext) -> None:
    everything = [f"{method} /*" for method in ("GET", "POST", "PUT", "DELETE")]
    with ovhcloud.ovhcloud_stand_in(everything) as cloud:
        found = examined(make_context, cloud, ovhcloud.reveal)
    assert found.ok
    assert names(found, State.NEEDLESS) == everything


def test_a_consumer_key_that_may_not_list_its_rules(make_context: MakeContext) -> None:
    with ovhcloud.ovhcloud_stand_in([rule for rule in ovhcloud.seed_rules() if "/auth/" not in rule]) as cloud:
        found = examined(make_context, cloud, ovhcloud.reveal)
    assert found.ok
    assert names(found, State.UNKNOWN) == ["what else it may do"]


@pytest.mark.parametrize(("end", "ok"), [("2026-09-20T00:00:00+00:00", False), ("2026-10-01T00:00:00+02:00", True)])
def test_a_consumer_key_that_ended_or_soon_ends(make_context: MakeContext, end: str, ok: bool) -> None:
    with ovhcloud.ovhcloud_stand_in(expiration=end) as cloud:
        found = examined(make_context, cloud, ovhcloud.reveal)
    assert found.ok is ok
    told = next(right for right in found.rights if right.name.startswith("valid"))
    assert "make a new consumer key" in told.advice


def test_rules_granted_narrower_serve_as_well() -> None:
    below = "/cloud/project/p"
    narrow = [{"method": "GET", "path": f"{below}{path}"} for path in ("/instance", "/instance/*")]
    states = {right.name: right.state for right in compared(narrow, project_rules("p"))}
    assert states[f"GET {below}/instance*"] is State.HELD
    assert State.NEEDLESS not in states.values()


def test_the_needed_rules_are_those_of_the_documentation() -> None:
    documented = re.findall(r"^([A-Z]+) /cloud/project/PROJECT(/.+)$", DOCUMENTED, re.MULTILINE)
    assert [f"{method} /cloud/project/PROJECT{path}" for method, path in documented] == [
        str(rule) for rule in project_rules("PROJECT")
    ]
    zones = re.findall(r"^[A-Z]+ /domain/zone/ZONE/.+$", DOCUMENTED, re.MULTILINE)
    assert zones == [str(rule) for rule in zone_rules("ZONE")]


def test_one_key_for_two_entries_needs_the_rules_of_both() -> None:
    shared = {"driver": "ovhcloud", "consumer_key": "secret://key"}
    scope = {
        "compute": {"a": {**shared, "project": "p"}, "b": {"driver": "ovhcloud", "consumer_key": "secret://other"}},
        "dns": {"zones": {"valbourg.example": shared}},
    }
    granted = [{"method": rule.method, "path": rule.pattern} for rule in rules_beside(scope, "secret://key")]
    alone = [right.state for right in compared(granted, project_rules("p"))]
    both = [right.state for right in compared(granted, project_rules("p"), rules_beside(scope, "secret://key"))]
    assert alone.count(State.NEEDLESS) == len(zone_rules("valbourg.example"))
    assert set(both) == {State.HELD}


# Outscale


def test_an_access_key_with_the_documented_policy(make_context: MakeContext) -> None:
    with outscale.outscale_stand_in(POLICY) as cloud:
        found = examined(make_context, cloud, outscale.reveal)
        writes = [asked for action, asked in cloud.asked if not action.startswith("Read")]
    assert found.ok
    assert names(found, State.MISSING) == names(found, State.NEEDLESS) == names(found, State.UNKNOWN) == []
    assert all(asked["DryRun"] is True for asked in writes)
    assert not any(secret in str(found.as_json()) for secret in outscale.SECRETS.values())


@pytest.mark.parametrize("reference", outscale.SECRETS)
def test_an_access_key_that_is_wrong_is_tried_once(make_context: MakeContext, reference: str) -> None:
    """Four failures in a row lock an account."""
    with outscale.outscale_stand_in(POLICY) as cloud:
        found = examined(make_context, cloud, wrong(outscale.reveal, reference))
        assert len(cloud.asked) == 1
    assert not found.ok
    assert "does not know the credential" in found.message


def test_an_access_key_whose_policy_lacks_actions(make_context: MakeContext) -> None:
    lacking = [action for action in POLICY if action not in {"api:CreateVms", "api:UnlinkVolume", "api:ReadQuotas"}]
    with outscale.outscale_stand_in(lacking) as cloud:
        found = examined(make_context, cloud, outscale.reveal)
    assert not found.ok
    assert names(found, State.MISSING) == ["read quotas", "api:CreateVms", "api:UnlinkVolume"]


def test_an_access_key_for_everything(make_context: MakeContext) -> None:
    with outscale.outscale_stand_in() as cloud:
        found = examined(make_context, cloud, outscale.reveal)
    assert found.ok
    assert names(found, State.NEEDLESS) == [f"api:{action}" for action in NEVER_USED]


def test_every_write_of_the_policy_is_asked_about() -> None:
    assert {f"api:{action}" for action in USED} == {action for action in POLICY if not action.startswith("api:Read")}
