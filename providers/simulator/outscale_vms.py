"""Virtual machines of the simulated OUTSCALE API: made, tagged, started, stopped and terminated."""

import base64
import binascii
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import Image, Size
from providers.simulator.fleet_parts import Server, ServerOrder
from providers.simulator.outscale_answers import (
    OscError,
    find,
    is_tagged,
    no_such,
    page,
    passes,
    vendor_id,
    wrong_state,
)
from providers.simulator.outscale_requests import Action, CreateTags, CreateVms, Device, ReadVms, StopVms, UpdateVm, Vms
from providers.simulator.outscale_shapes import GIB, ROOT_DEVICE, ROOT_GIB, vm_shape, vm_state

TINA = re.compile(r"^tinav[4-7]\.c(\d{1,2})r(\d{1,3})(?:p[1-3])?$")
"""The vendor's free sizes: generation, cores, memory in GiB, performance."""
SECTION = re.compile(rb"^-----BEGIN OUTSCALE SECTION-----\n.*?^-----END OUTSCALE SECTION-----\n?", re.M | re.S)
"""What is for the cloud and not for the machine (`filter_private_section`)."""
MAKING_SECONDS = 0.1
"""How long a machine that is made stopped stays `pending`."""
MAX_USER_DATA = 500 * 1024


class VirtualMachines:
    """The actions on machines; the caller holds the fleet's lock."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def actions(self) -> dict[str, tuple[type[Action], Any]]:
        return {
            "CreateVms": (CreateVms, self.create),
            "ReadVms": (ReadVms, self.read),
            "UpdateVm": (UpdateVm, self.update),
            "StartVms": (Vms, self.start),
            "StopVms": (StopVms, self.stop),
            "DeleteVms": (Vms, self.delete),
            "CreateTags": (CreateTags, self.tag),
        }

    def create(self, asked: CreateVms) -> Mapping[str, Any]:
        """One machine; the same client token again answers the machine that it made, whatever became of it."""
        wish = asked.model_dump(exclude={"dry_run"})
        made = self._of_token(asked.client_token)
        if made is not None and made.facts["wish"] != wish:
            raise OscError(400, "4091", "InvalidParameterValue", "The client token was used with other parameters.")
        server = made or self._make(asked, wish)
        return {"Vms": [vm_shape(self._fleet, server)]}

    def read(self, asked: ReadVms) -> Mapping[str, Any]:
        wanted = asked.filters
        found = [
            vm_shape(self._fleet, server)
            for server in sorted(self._all(), key=lambda server: server.created)
            if is_tagged(server.tags, wanted)
            and passes([vendor_id("server", server.id)], wanted.vm_ids)
            and passes([server.facts["client_token"]], wanted.client_tokens)
            and passes([vm_state(self._fleet, server)], wanted.vm_state_names)
            and passes([group["SecurityGroupId"] for group in _groups(self._fleet, server)], wanted.security_group_ids)
        ]
        return page("Vms", found, asked)

    def update(self, asked: UpdateVm) -> Mapping[str, Any]:
        server = self._server(asked.vm_id)
        if asked.user_data is not None:
            if vm_state(self._fleet, server) != "stopped":
                raise wrong_state("The VM must be stopped.")
            text = _decoded(asked.user_data)
            server.facts["user_data"] = asked.user_data
            self._fleet.set_user_data(server, "cloud-init", SECTION.sub(b"", text))
        return {"Vm": vm_shape(self._fleet, server)}

    def start(self, asked: Vms) -> Mapping[str, Any]:
        return self._move(asked, "poweron", {"stopped"}, already={"running"})

    def stop(self, asked: StopVms) -> Mapping[str, Any]:
        return self._move(asked, "poweroff", {"running"}, already={"stopped", "stopping"})

    def delete(self, asked: Vms) -> Mapping[str, Any]:
        """Repeatable; a stopped machine is gone at once, a running one after it stopped."""
        already = {"shutting-down", "terminated"}
        return self._move(asked, "terminate", {"running", "stopped"}, already=already)

    def tag(self, asked: CreateTags) -> Mapping[str, Any]:
        """Tags on anything; the same key again replaces the value, and `Name` names a machine or volume."""
        for thing in [self._tagged(resource) for resource in asked.resource_ids]:
            for tag in asked.tags:
                thing.tags = [each for each in thing.tags if each.partition("=")[0] != tag.key] + [tag.text]
                if tag.key == "Name":
                    thing.name = tag.value
            self._fleet.effect("tags.create", thing.name, thing.tags)
        return {}

    def _make(self, asked: CreateVms, wish: dict[str, Any]) -> Server:
        text = _decoded(asked.user_data or "")
        groups = [find("firewall", self._fleet.firewalls.values(), group).id for group in asked.security_group_ids]
        order = ServerOrder(
            name="",
            zone=self._zone(asked),
            project=self._fleet.catalogue.project,
            size=self._size(asked.vm_type),
            image=self._image(asked.image_id),
            tags=[],
            volumes={"0": self._root(asked)},
            user_data={"cloud-init": SECTION.sub(b"", text)} if text else {},
            firewall=groups[0] if groups else None,
            started_later=not asked.boot_on_creation,
            facts={
                "client_token": asked.client_token,
                "keypair": asked.keypair_name,
                "user_data": asked.user_data or "",
                "vm_type": asked.vm_type,
                "reservation": f"r-{uuid.uuid4().hex[:8]}",
                "wish": wish,
                "made_at": time.monotonic() + MAKING_SECONDS,
            },
        )
        return self._fleet.create(order)

    def _move(self, asked: Vms, action: str, movable: set[str], already: set[str]) -> Mapping[str, Any]:
        """All machines or none: every state is checked before anything moves."""
        servers = [find("server", self._all(), vm_id) for vm_id in asked.vm_ids]
        before = [vm_state(self._fleet, server) for server in servers]
        for state in before:
            if state not in movable | already:
                raise wrong_state(f"The VM is {state}.")
        for server, state in zip(servers, before, strict=True):
            if state in movable:
                self._act(server, action, state)
        return {
            "Vms": [
                {
                    "VmId": vendor_id("server", server.id),
                    "PreviousState": state,
                    "CurrentState": vm_state(self._fleet, server),
                }
                for server, state in zip(servers, before, strict=True)
            ]
        }

    def _act(self, server: Server, action: str, state: str) -> None:
        if action == "terminate" and state == "stopped":
            self._fleet.delete(server, with_its_volumes=True)
        else:
            self._fleet.act(server, action)

    def _all(self) -> Iterator[Server]:
        yield from self._fleet.servers.values()
        yield from self._fleet.ended.values()

    def _server(self, vm_id: str) -> Server:
        return find("server", self._all(), vm_id)

    def _of_token(self, token: str | None) -> Server | None:
        return next((each for each in self._all() if token and each.facts["client_token"] == token), None)

    def _tagged(self, resource: str) -> Any:
        fleet = self._fleet
        for kind, things in (
            ("server", fleet.servers),
            ("volume", fleet.volumes),
            ("snapshot", fleet.snapshots),
            ("firewall", fleet.firewalls),
        ):
            for thing in things.values():
                if vendor_id(kind, thing.id) == resource:
                    return thing
        raise OscError(400, "5044", "InvalidResource", f"The resource '{resource}' doesn't exist.")

    def _zone(self, asked: CreateVms) -> str:
        zone = (asked.placement and asked.placement.subregion_name) or self._fleet.catalogue.zones[0]
        if zone not in self._fleet.catalogue.zones:
            raise OscError(400, "5009", "InvalidResource", f"The Subregion '{zone}' doesn't exist.")
        return zone

    def _size(self, name: str) -> Size:
        known = self._fleet.catalogue.sizes.get(name)
        tina = TINA.match(name)
        if known is not None:
            return known
        if tina is None:
            raise OscError(400, "5024", "InvalidResource", f"The VM type '{name}' doesn't exist.")
        return Size(name, int(tina[1]), float(tina[2]), 0.0, "standard", 0)

    def _image(self, image_id: str) -> Image:
        if not image_id.startswith("ami-"):
            raise OscError(400, "4104", "InvalidParameterValue", f"The value {image_id} must begin with ami-.")
        image = self._fleet.catalogue.image(image_id)
        if image is None:
            raise no_such("image", image_id)
        return image

    def _root(self, asked: CreateVms) -> dict[str, Any]:
        others = [device for device in asked.block_device_mappings if device.device_name != ROOT_DEVICE]
        if others:
            raise OscError(400, "4011", "InvalidParameterValue", "Only the root device can be mapped here.")
        root = next(iter(asked.block_device_mappings), Device())
        bsu = root.bsu
        size = (bsu.volume_size if bsu else None) or ROOT_GIB
        if size < ROOT_GIB:
            raise OscError(400, "4078", "InvalidParameterValue", "The volume is smaller than the image.")
        return {
            "size": size * GIB,
            "volume_type": bsu.volume_type if bsu else "standard",
            "goes_with_server": bsu.delete_on_vm_deletion if bsu else True,
        }


def _groups(fleet: Fleet, server: Server) -> list[dict[str, str]]:
    groups: list[dict[str, str]] = vm_shape(fleet, server)["SecurityGroups"]
    return groups


def _decoded(user_data: str) -> bytes:
    try:
        text = base64.b64decode(user_data, validate=True)
    except (binascii.Error, ValueError):
        raise OscError(400, "4047", "InvalidParameterValue", "UserData must be Base64-encoded.") from None
    if len(text) > MAX_USER_DATA:
        raise OscError(400, "4047", "InvalidParameterValue", "UserData is too long.")
    return text
