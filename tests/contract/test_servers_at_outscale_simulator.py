"""A server at Outscale against the whole simulator: a real host comes up with its user data, and goes again."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Presence, Secret, Tag
from providers.compute.server import ComputeServer
from providers.wants import Server
from tests.contract.suite import Case
from tests.simulator_fixture import Simulator

pytest_plugins = ["tests.simulator_fixture"]

PORTAL = Server(provider=["outscale"], name="portal", size="tinav5.c1r1p2", image="debian-12", firewall=[{"port": 22}])


@pytest.fixture
def case(fresh_simulator: Simulator, make_context: Callable[[Mapping[str, Any]], Context]) -> Case:
    cloud = {
        "driver": "outscale",
        "url": fresh_simulator.addresses["outscale"],
        "region": "eu-west-2",
        "access_key": "secret://outscale-access",
        "secret_key": "secret://outscale-secret",
    }
    plain = make_context({"compute": {"outscale": cloud}})
    secret = fresh_simulator.secret
    context = replace(plain, reveal=lambda reference: Secret(secret(reference.removeprefix("secret://"))))
    return Case(
        want=PORTAL,
        tag=Tag("run-1", "server"),
        context=context,
        make=ComputeServer,
        world=fresh_simulator.state,
        effects=lambda: len(fresh_simulator.effects()),
    )


def test_a_real_host_comes_up_and_goes(case: Case, fresh_simulator: Simulator) -> None:
    world = case.world()
    made = case.apply(case.before())
    assert made.presence is Presence.OURS
    with socket.create_connection((made.outputs["address"], 22), timeout=5) as ssh:
        assert ssh.recv(4) == b"SSH-"
    assert [effect["action"] for effect in fresh_simulator.effects()].count("server.create") == 1
    assert case.undo(made.effect).presence is Presence.ABSENT
    assert case.world() == world
