"""Servers and objects against the whole simulator: a real host comes up, and after undo all is as before."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Presence, Secret, Tag
from providers.registry import provider_for
from providers.wants import Copy, FirewallRule, Place, Server, Verify
from tests.contract.suite import Case
from tests.simulator_fixture import Simulator

pytest_plugins = ["tests.simulator_fixture"]

PORTAL = Server(provider="scaleway", name="portal", size="DEV1-S", image="debian_bookworm")
PAGES = Copy(
    source=Place(store="source", bucket="valbourg-portal"), target=Place(store="target", bucket="valbourg-portal")
)


@pytest.fixture
def context(fresh_simulator: Simulator, make_context: Callable[[Mapping[str, Any]], Context]) -> Context:
    """The scope of the starter estate, with this simulator's addresses and secrets."""
    simulator = fresh_simulator
    stores = {
        role: {
            "driver": "s3",
            "url": simulator.addresses[f"s3-{role}"],
            "region": region,
            "access_key": f"secret://{role}-access",
            "secret_key": f"secret://{role}-secret",
        }
        for role, region in (("source", "eu-west-1"), ("target", "fr-par"))
    }
    cloud = {
        "driver": "scaleway",
        "url": simulator.addresses["scaleway"],
        "zone": simulator.zone,
        "project": simulator.project,
        "token": "secret://scaleway-token",
    }
    plain = make_context({"compute": {"scaleway": cloud}, "storage": stores})
    return replace(plain, reveal=lambda reference: Secret(simulator.secret(reference.removeprefix("secret://"))))


def case_of(kind: str, want: Any, context: Context, simulator: Simulator) -> Case:
    return Case(
        want=want,
        tag=Tag("run-1", kind),
        context=context,
        make=lambda made: provider_for(kind, want, made),
        world=simulator.state,
        effects=lambda: len(simulator.effects()),
    )


def test_a_real_host_comes_up_and_goes(context: Context, fresh_simulator: Simulator) -> None:
    case = case_of("compute.server", PORTAL, context, fresh_simulator)
    world = case.world()
    made = case.apply(case.before())
    with socket.create_connection((made.outputs["address"], 22), timeout=5) as ssh:
        assert ssh.recv(4) == b"SSH-"
    assert [effect["action"] for effect in fresh_simulator.effects()] == ["server.create", "server.poweron"]
    assert case.undo(made.effect).presence is Presence.ABSENT
    assert case.world() == world


def test_a_real_host_comes_up_at_an_openstack_cloud(context: Context, fresh_simulator: Simulator) -> None:
    cloud = {
        "driver": "openstack",
        "url": fresh_simulator.addresses["openstack"],
        "region": "RegionOne",
        "network": "private",
        "floating_network": "Ext-Net",
        "credential": "secret://openstack-credential",
        "secret": "secret://openstack-secret",
    }
    want = Server(provider="cloud", name="portal", size="SCS-1V-2", image="debian-12", firewall=[FirewallRule(port=22)])
    case = case_of(
        "compute.server", want, replace(context, scope={**context.scope, "compute": {"cloud": cloud}}), fresh_simulator
    )
    world = case.world()
    made = case.apply(case.before())
    with socket.create_connection((made.outputs["address"], 22), timeout=5) as ssh:
        assert ssh.recv(4) == b"SSH-"
    written = [effect["action"] for effect in fresh_simulator.effects()]
    assert written == ["firewall.create", "firewall.rule", "server.create", "address.create"]
    assert case.undo(made.effect).presence is Presence.ABSENT
    assert case.world() == world


def test_the_portals_objects_move_and_are_taken_back(context: Context, fresh_simulator: Simulator) -> None:
    case = case_of("storage.copy", PAGES, context, fresh_simulator)
    world = case.world()
    done = case.apply(case.before())
    assert done.outputs["keys"]
    verify = Verify(source=PAGES.source, target=PAGES.target)
    check = case_of("storage.verify", verify, context, fresh_simulator)
    assert check.apply(check.before()).outputs["objects"] == len(done.outputs["keys"])
    assert case.undo(done.effect).presence is Presence.ABSENT
    assert case.world() == world


def test_a_real_host_comes_up_at_ovhcloud_and_goes(
    fresh_simulator: Simulator, make_context: Callable[[Mapping[str, Any]], Context]
) -> None:
    simulator = fresh_simulator
    cloud = {
        "driver": "ovhcloud",
        "url": simulator.addresses["ovhcloud"],
        "region": "GRA11",
        "project": "7f3c2b1a0e9d4c5b8a6f1e2d3c4b5a69",
        "application_key": "secret://ovh-application-key",
        "application_secret": "secret://ovh-application-secret",
        "consumer_key": "secret://ovh-consumer-key",
        "ssh_key": "bascule",
    }
    plain = make_context({"compute": {"ovhcloud": cloud}})
    context = replace(plain, reveal=lambda reference: Secret(simulator.secret(reference.removeprefix("secret://"))))
    portal = Server(provider="ovhcloud", name="portal", size="d2-2", image="debian-12")
    case = case_of("compute.server", portal, context, simulator)
    world = case.world()
    made = case.apply(case.before())
    with socket.create_connection((made.outputs["address"], 22), timeout=5) as ssh:
        assert ssh.recv(4) == b"SSH-"
    assert [effect["action"] for effect in simulator.effects()] == ["server.create"]
    assert case.undo(made.effect).presence is Presence.ABSENT
    assert case.world() == world
