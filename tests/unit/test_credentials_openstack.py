"""The access rules in the docs allow what the OpenStack driver asks for, and nothing that it never asks for."""

import json
import re
import time
from pathlib import Path

from providers.compute.driver import Order, PartKind, Rule, VolumeOrder
from providers.compute.openstack import connect
from providers.simulator.faults import FaultTable
from providers.simulator.http_service import HttpService, Request, Response
from providers.vendor_http import Deadline
from tests.loopback import LOOPBACK
from tests.openstack_stand_in import OpenStackStandIn, openstack_stand_in, reveal
from tests.vendor_stand_ins import listening

DOCS = Path(__file__).parents[2] / "docs/credentials.md"
SERVICES = {"compute": "compute", "volume": "block-storage", "network": "network", "image": "image"}
TAGS = frozenset({"bascule", "bascule-run=r-1", "bascule-step=a"})


def rules() -> dict[str, re.Pattern[str]]:
    """Each rule as it is written, with what it matches: `*` is one part of a path, `**` any number."""
    block = re.search(r"```json\n(\[\n.*?\"/v2\.1/servers.*?\n\])\n```", DOCS.read_text(), re.DOTALL)
    assert block is not None
    found = {}
    for rule in json.loads(block[1]):
        if rule["service"] == "identity":
            continue  # for `bascule doctor`, which looks at the credential itself
        path = re.escape(rule["path"]).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")
        text = f"{rule['service']} {rule['method']} {rule['path']}"
        found[text] = re.compile(f"{rule['service']} {rule['method']} {path}")
    return found


def asked(cloud: OpenStackStandIn) -> set[str]:
    """Everything that the driver's methods ask for, by the services' types."""
    seen: set[str] = set()

    def handle(request: Request) -> Response:
        service, _, path = request.path.lstrip("/").partition("/")
        if service in SERVICES:
            seen.add(f"{SERVICES[service]} {request.method} /{path}")
        return cloud.api.handle(request)

    with listening(HttpService("openstack", handle, FaultTable())) as url:
        cloud.keystone.base = url
        block = {**cloud.block, "url": f"{url}/identity", "network": "private", "floating_network": "Ext-Net"}
        use(block)
    return seen


def use(block: dict[str, object]) -> None:
    driver = connect(block, reveal, Deadline(20.0, reach=LOOPBACK))
    driver.ex_offers()
    driver.ex_quotas()
    image = driver.ex_image("debian-12")
    firewall = driver.ex_create_firewall("f", TAGS, [Rule("tcp", 22, 22)])
    order = Order("a", "SCS-1V-2", image, TAGS, firewall=firewall.id)
    node = driver.ex_create(order)
    driver.ex_complete(node, order)
    volume = driver.ex_create_volume(VolumeOrder("v", 1, TAGS))
    while (driver.ex_part(PartKind.VOLUME, volume.id) or volume).state != "available":
        time.sleep(0.02)
    driver.ex_attach(volume, node)
    driver.ex_detach(volume, node)
    snapshot = driver.ex_create_snapshot(volume, "s", TAGS)
    while (driver.ex_part(PartKind.SNAPSHOT, snapshot.id) or snapshot).state != "available":
        time.sleep(0.02)
    driver.stop_node(node)
    driver.list_nodes(ex_tags=TAGS)
    while (driver.ex_get_node(str(node.id)) or node).extra["status"] != "SHUTOFF":
        time.sleep(0.02)
    driver.destroy_node(node)
    for part in sorted(driver.ex_parts(TAGS), key=lambda part: part.kind is not PartKind.SNAPSHOT):
        driver.ex_part(part.kind, part.id)
        driver.ex_delete_part(part)
    driver.ex_complete(driver.ex_create(Order("b", "b3-8", image, TAGS)), order)


def test_the_rules_allow_what_is_asked_and_nothing_else() -> None:
    allowed = rules()
    with openstack_stand_in() as cloud:
        made = asked(cloud)
    refused = [request for request in made if not any(rule.fullmatch(request) for rule in allowed.values())]
    assert refused == []
    unused = {text for text, rule in allowed.items() if not any(rule.fullmatch(request) for request in made)}
    assert unused == {"network PUT /v2.0/floatingips/*"}, "only after an interruption"
