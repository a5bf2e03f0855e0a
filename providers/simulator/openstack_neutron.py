"""Neutron 2.0: networks, the servers' ports, floating addresses, security groups and quotas."""

import ipaddress
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_parts import Firewall, FloatingAddress, Refusal, Server, stamp
from providers.simulator.http_service import Response
from providers.simulator.openstack_answers import (
    MOST,
    ApiError,
    Call,
    Routes,
    answer,
    checked,
    neutron_fault,
    paged,
    routed,
    sent,
)
from providers.simulator.openstack_shapes import (
    EXTERNAL,
    INTERNAL,
    LAG,
    age,
    floating_shape,
    group_shape,
    named_id,
    network_shape,
    port_id,
    port_shape,
)

RULE_FIELDS: dict[str, type | tuple[type, ...]] = {
    "security_group_id": str,
    "direction": str,
    "ethertype": str,
    "protocol": (str, int, type(None)),
    "port_range_min": (int, type(None)),
    "port_range_max": (int, type(None)),
    "remote_ip_prefix": (str, type(None)),
    "description": str,
}


def refuse(status: int, message: str) -> Response:
    kind = {400: "HTTPBadRequest", 404: "HTTPNotFound", 409: "HTTPConflict", 403: "PolicyNotAuthorized"}
    return neutron_fault(status, kind.get(status, "HTTPInternalServerError"), message)


@dataclass(frozen=True, slots=True)
class Neutron:
    """An external network with addresses, and one private network of the project behind it."""

    fleet: Fleet
    most: int = MOST

    def handle(self, call: Call) -> Response:
        try:
            return routed(self._routes(), call, refuse)
        except Refusal as refused:
            return _refused(refused)

    def _routes(self) -> Routes:
        return (
            ("GET", r"/v2\.0/networks", self._networks),
            ("GET", r"/v2\.0/ports", self._list_ports),
            ("GET", r"/v2\.0/ports/([^/]+)", self._get_port),
            ("GET", r"/v2\.0/floatingips", self._list_addresses),
            ("POST", r"/v2\.0/floatingips", self._create_address),
            ("GET", r"/v2\.0/floatingips/([^/]+)", self._get_address),
            ("PUT", r"/v2\.0/floatingips/([^/]+)", self._move_address),
            ("DELETE", r"/v2\.0/floatingips/([^/]+)", self._delete_address),
            ("GET", r"/v2\.0/security-groups", self._list_groups),
            ("POST", r"/v2\.0/security-groups", self._create_group),
            ("GET", r"/v2\.0/security-groups/([^/]+)", self._get_group),
            ("DELETE", r"/v2\.0/security-groups/([^/]+)", self._delete_group),
            ("POST", r"/v2\.0/security-group-rules", self._create_rules),
            ("GET", r"/v2\.0/quotas/([^/]+)/details\.json", self._quotas),
        )

    # Networks and ports

    def _networks(self, call: Call) -> Response:
        shapes = [network_shape(name) for name in (EXTERNAL, INTERNAL)]
        wanted = call.queries
        external = wanted.get("router:external", [])
        names = wanted.get("name", [])
        found = [
            shape
            for shape in shapes
            if (not names or shape["name"] in names)
            and (not external or str(shape["router:external"]).lower() in {each.lower() for each in external})
        ]
        return paged(call, "networks", found, refuse, self.most)

    def _list_ports(self, call: Call) -> Response:
        devices = call.queries.get("device_id", [])
        with self.fleet.lock:
            found = [
                port_shape(self.fleet, server) for server in self._connected() if not devices or server.id in devices
            ]
        return paged(call, "ports", found, refuse, self.most)

    def _get_port(self, call: Call) -> Response:
        with self.fleet.lock:
            return answer(200, {"port": port_shape(self.fleet, self._server_at(call.ids[0]))})

    def _connected(self) -> Iterator[Server]:
        """Servers that have their port: a moment after their creation at the latest, if they found a host."""
        for server in self.fleet.servers.values():
            if server.state == "running" or (server.state != "error" and age(server.created) >= LAG):
                yield server

    def _server_at(self, port: str) -> Server:
        found = next((server for server in self._connected() if port_id(server) == port), None)
        if found is None:
            raise ApiError(neutron_fault(404, "PortNotFound", f"Port {port} could not be found."))
        return found

    # Floating addresses

    def _list_addresses(self, call: Call) -> Response:
        with self.fleet.lock:
            found = [floating_shape(self.fleet, each) for each in self.fleet.floating.values()]
        return paged(call, "floatingips", found, refuse, self.most)

    def _create_address(self, call: Call) -> Response:
        asked = sent(call.request, "floatingip", refuse)
        checked(asked, {"floating_network_id": str, "port_id": (str, type(None)), "description": str}, refuse)
        network = asked.get("floating_network_id")
        if network != named_id("network", EXTERNAL):
            raise ApiError(neutron_fault(404, "ExternalNetworkNotFound", f"Network {network} is not external"))
        description = _described(asked)
        with self.fleet.lock:
            server = self._server_at(asked["port_id"]) if asked.get("port_id") else None
            made = FloatingAddress(
                str(uuid.uuid4()),
                self.fleet.catalogue.zones[0],
                stamp(),
                tags=description.split(),
                facts={"description": description},
            )
            self.fleet.add_floating(made, server)
            return answer(201, {"floatingip": floating_shape(self.fleet, made)})

    def _get_address(self, call: Call) -> Response:
        with self.fleet.lock:
            return answer(200, {"floatingip": floating_shape(self.fleet, self._address(call.ids[0]))})

    def _move_address(self, call: Call) -> Response:
        asked = sent(call.request, "floatingip", refuse)
        checked(asked, {"port_id": (str, type(None)), "description": str}, refuse)
        with self.fleet.lock:
            floating = self._address(call.ids[0])
            if "port_id" in asked:
                server = self._server_at(asked["port_id"]) if asked["port_id"] else None
                self.fleet.move_floating(floating, server)
            if "description" in asked:
                floating.facts["description"] = _described(asked)
            return answer(200, {"floatingip": floating_shape(self.fleet, floating)})

    def _delete_address(self, call: Call) -> Response:
        with self.fleet.lock:
            self.fleet.delete_floating(self._address(call.ids[0]))
        return Response(204)

    def _address(self, identifier: str) -> FloatingAddress:
        found = self.fleet.floating.get(identifier)
        if found is None:
            raise ApiError(neutron_fault(404, "FloatingIPNotFound", f"Floating IP {identifier} could not be found"))
        return found

    # Security groups

    def _list_groups(self, call: Call) -> Response:
        with self.fleet.lock:
            groups = [self._default(), *self.fleet.firewalls.values()]
            found = [group_shape(self.fleet, group) for group in groups]
        return paged(call, "security_groups", found, refuse, self.most)

    def _create_group(self, call: Call) -> Response:
        asked = sent(call.request, "security_group", refuse)
        checked(asked, {"name": str, "description": str, "stateful": bool}, refuse)
        description = _described(asked)
        made = Firewall(
            str(uuid.uuid4()),
            asked.get("name", ""),
            self.fleet.catalogue.zones[0],
            tags=description.split(),
            facts={"description": description},
        )
        return answer(201, {"security_group": group_shape(self.fleet, self.fleet.add_firewall(made))})

    def _get_group(self, call: Call) -> Response:
        with self.fleet.lock:
            return answer(200, {"security_group": group_shape(self.fleet, self._group(call.ids[0]))})

    def _delete_group(self, call: Call) -> Response:
        with self.fleet.lock:
            self.fleet.delete_firewall(self._group(call.ids[0]))
        return Response(204)

    def _create_rules(self, call: Call) -> Response:
        """One rule or several; with several, all or none."""
        try:
            body = json.loads(call.request.body)
            many = "security_group_rules" in body
            asked = body["security_group_rules"] if many else [body["security_group_rule"]]
        except (ValueError, KeyError, TypeError):
            raise ApiError(refuse(400, "Invalid input for operation: no rule.")) from None
        with self.fleet.lock:
            for rule in asked:
                self._check_rule(rule)
            made = [{**rule, "id": str(uuid.uuid4())} for rule in asked]
            for rule in made:
                group = self._group(str(rule["security_group_id"]))
                group.rules.append(rule)
                self.fleet.effect("firewall.rule", group.name, group.tags)
        return answer(201, {"security_group_rules": made} if many else {"security_group_rule": made[0]})

    def _check_rule(self, rule: dict[str, Any]) -> None:
        checked(rule, RULE_FIELDS, refuse)
        group = self._group(str(rule.get("security_group_id")))
        prefix, version = rule.get("remote_ip_prefix"), rule.get("ethertype")
        try:
            right = prefix is None or f"IPv{ipaddress.ip_network(prefix).version}" == version
        except ValueError:
            right = False
        if not right or version not in {"IPv4", "IPv6"} or rule.get("direction") not in {"ingress", "egress"}:
            raise ApiError(neutron_fault(400, "SecurityGroupRuleParameterConflict", f"Conflicting value for {prefix}"))
        same = [{key: value for key, value in known.items() if key != "id"} for known in group.rules]
        if rule in same:
            raise ApiError(neutron_fault(409, "SecurityGroupRuleExists", "Security group rule already exists."))

    def _default(self) -> Firewall:
        facts = {"description": "Default security group"}
        return Firewall(named_id("security-group", "default"), "default", self.fleet.catalogue.zones[0], facts=facts)

    def _group(self, identifier: str) -> Firewall:
        found = self.fleet.firewalls.get(identifier)
        if found is None:
            text = f"Security group {identifier} does not exist"
            raise ApiError(neutron_fault(404, "SecurityGroupNotFound", text))
        return found

    def _quotas(self, call: Call) -> Response:
        if call.ids[0] != self.fleet.catalogue.project:
            raise ApiError(refuse(403, "rule:get_quota is disallowed by policy"))
        quotas = self.fleet.catalogue.quotas

        def told(limit: int, used: int) -> dict[str, int]:
            return {"limit": limit, "used": used, "reserved": 0}

        return answer(
            200,
            {
                "quota": {
                    "floatingip": told(quotas.get("addresses", -1), len(self.fleet.floating)),
                    "security_group": told(quotas.get("firewalls", -1), len(self.fleet.firewalls) + 1),
                    "network": told(100, 1),
                }
            },
        )


def _described(asked: dict[str, Any]) -> str:
    description = str(asked.get("description", ""))
    if len(description) > 255:
        text = f"Invalid input for description. Reason: '{description}' exceeds maximum length of 255."
        raise ApiError(refuse(400, text))
    return description


def _refused(refused: Refusal) -> Response:
    match refused.cause:
        case "quota":
            name = {"addresses": "floatingip", "firewalls": "security_group"}.get(refused.resource, refused.resource)
            return neutron_fault(409, "OverQuota", f"Quota exceeded for resources: ['{name}'].")
        case "in_use":
            text = f"Security Group {refused.resource_id} in use."
            return neutron_fault(409, "SecurityGroupInUse", text)
        case _:
            return refuse(404, refused.message)
