"""An OpenStack cloud over HTTP: Keystone and the services behind it, each below a path of its own, as devstack has it.

Paths, shapes and refusals: the projects' published API references; only what a
server's life needs is here, everything else answers 404.
"""

from dataclasses import dataclass

from providers.simulator.faults import Fault
from providers.simulator.fleet import Fleet
from providers.simulator.http_service import Request, Response
from providers.simulator.openstack_answers import (
    MOST,
    ApiError,
    Call,
    answer,
    fault,
    keystone_fault,
    neutron_fault,
    page_fault,
    routed,
)
from providers.simulator.openstack_cinder import Cinder
from providers.simulator.openstack_keystone import UNAUTHORIZED, Keystone
from providers.simulator.openstack_neutron import Neutron, refuse
from providers.simulator.openstack_nova import Nova
from providers.simulator.openstack_shapes import image_shape

TYPES = {"compute": "compute", "volume": "volumev3", "network": "network", "image": "image"}
"""Type of a service in the catalogue and in access rules, by its path."""


@dataclass(slots=True)
class OpenStackApi:
    """Answers requests that carry a token of its Keystone. `most`: things on one page at most."""

    fleet: Fleet
    keystone: Keystone
    most: int = MOST

    def handle(self, request: Request) -> Response:
        service, _, rest = request.path.lstrip("/").partition("/")
        call = Call(request, f"{self.keystone.base}/{service}", f"/{rest}")
        try:
            if service == "identity":
                return self.keystone.handle(call)
            if not self.keystone.knows(request.headers.get("X-Auth-Token", "")):
                refused = keystone_fault(401, "Unauthorized", UNAUTHORIZED)
                refused.headers["WWW-Authenticate"] = f'Keystone uri="{self.keystone.base}/identity"'
                return refused
            kind = TYPES.get(service, service)
            if not self.keystone.credential.allows(kind, request.method, call.path):
                return keystone_fault(401, "Unauthorized", UNAUTHORIZED)
            return self._service(service, call)
        except ApiError as error:
            return error.answer

    def _service(self, service: str, call: Call) -> Response:
        match service:
            case "compute":
                return Nova(self.fleet, self.most).handle(call)
            case "volume":
                return Cinder(self.fleet, self.most).handle(call)
            case "network":
                return Neutron(self.fleet, self.most).handle(call)
            case "image":
                return self._images(call)
        return page_fault(404, "Not Found")

    def refusal(self, fault_: Fault, request: Request) -> Response:
        """A fault in the words of the service that was asked."""
        service = request.path.lstrip("/").partition("/")[0]
        quota = fault_.kind == "quota"
        match service:
            case "identity":
                return keystone_fault(fault_.status, "Refused", "simulated refusal")
            case "network" if quota:
                return neutron_fault(409, "OverQuota", "Quota exceeded for resources: ['floatingip'].")
            case "network":
                return refuse(fault_.status, "simulated refusal")
            case "volume" if quota:
                text = "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota 'volumes'."
                return fault(413, text)
            case _ if quota:
                limit = self.fleet.catalogue.quotas["servers"]
                text = f"Requested 1, but already used {limit} of {limit} instances"
                return fault(403, f"Quota exceeded for instances: {text}")
        return fault(fault_.status, "simulated refusal")

    # Glance

    def _images(self, call: Call) -> Response:
        routes = (("GET", r"/v2/images", self._list_images), ("GET", r"/v2/images/([^/]+)", self._get_image))
        return routed(routes, call, lambda status, _: page_fault(status, "Not Found"))

    def _list_images(self, call: Call) -> Response:
        """Glance links to the next page in a way of its own, by a path."""
        query = call.request.query
        images = [image_shape(image) for image in self.fleet.catalogue.images]
        found = [image for image in images if query.get("name", image["name"]) == image["name"]]
        ids = [image["id"] for image in found]
        if query.get("marker", ids[0] if ids else "") not in ids:
            return page_fault(400, "Bad Request")
        first = ids.index(query["marker"]) + 1 if "marker" in query else 0
        limit = min(int(query.get("limit", "25")), self.most)
        part = found[first : first + limit]
        following = {"next": f"/v2/images?marker={part[-1]['id']}"} if part and first + limit < len(found) else {}
        return answer(200, {"images": part, "first": "/v2/images", "schema": "/v2/schemas/images", **following})

    def _get_image(self, call: Call) -> Response:
        image = self.fleet.catalogue.image(call.ids[0])
        return page_fault(404, "Not Found") if image is None else answer(200, image_shape(image))
