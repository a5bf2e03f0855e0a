"""OVHcloud's native API in this process, over HTTP or over TLS at the vendor's own name, without machines."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from providers.base import ProviderError, Secret
from providers.compute.ovhcloud import NativeDriver, connect
from providers.simulator.addresses import Addresses
from providers.simulator.effects import EffectLog
from providers.simulator.faults import FaultTable
from providers.simulator.fleet import Fleet, Hosts
from providers.simulator.fleet_catalogue import Catalogue
from providers.simulator.fleet_parts import Server, ServerOrder
from providers.simulator.http_service import HttpService, Request, Response
from providers.simulator.ovh_api import OvhApi
from providers.simulator.ovh_signature import Secrets, Signatures
from providers.vendor_http import Deadline
from tests.loopback import LOOPBACK
from tests.vendor_stand_ins import CloudStandIn, NoMachines, at_once, listening, seed

SECRETS = {
    "secret://ovh-application-key": "application-key-1234",
    "secret://ovh-application-secret": "application-secret-5678",
    "secret://ovh-consumer-key": "consumer-key-9012",
}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3rG0bq5uSm5k8U2bq1Kp6gN1TTZ0e7mB6X8wZQf3aV bascule"
REGION = "GRA11"


@dataclass
class OvhStandIn(CloudStandIn):
    """The stand-in; `asked` has every request, `clock` is how many seconds the vendor's clock is ahead."""

    asked: list[Request] = field(default_factory=list)
    clock: float = 0.0

    def driver(self, deadline: float = 10.0, **settings: Any) -> NativeDriver:
        """A driver of its own, as every call has."""
        made = connect({**self.block, **settings}, reveal, Deadline(deadline, reach=LOOPBACK))
        assert isinstance(made, NativeDriver)
        return made

    def add(self, name: str, region: str = REGION) -> Server:
        """A server that somebody else made; `name` as the vendor has it."""
        catalogue = self.fleet.catalogue
        size, image = catalogue.sizes["d2-2"], catalogue.images[1]
        order = ServerOrder(name, region, catalogue.project, size, image, [], root_is_volume=False, started_later=False)
        return self.fleet.create(order)

    def paths(self, method: str) -> list[str]:
        """Of the requests with this method, those below the project."""
        project = f"/1.0/cloud/project/{self.fleet.catalogue.project}"
        return [request.path.removeprefix(project) for request in self.asked if request.method == method]


def reveal(reference: str) -> Secret:
    """The secrets of these tests."""
    if reference not in SECRETS:
        raise ProviderError(f"There is no {reference}.", permanent=True)
    return Secret(SECRETS[reference])


def seed_rules() -> list[str]:
    rules: list[str] = seed("ovhcloud")["access_rules"]
    return rules


def api_of(
    fleet: Fleet,
    now: Callable[[], float] = time.time,
    scheme: str = "http",
    rules: Sequence[str] = (),
    expiration: str | None = None,
) -> OvhApi:
    """The API with the rights of the seed, or with these."""
    key, secret, consumer = SECRETS.values()
    signatures = Signatures({key: Secrets(secret, consumer)})
    granted = rules or seed_rules()
    return OvhApi(fleet, signatures, granted, {"bascule": PUBLIC_KEY}, now, scheme, expiration=expiration)


def block_of(catalogue: Catalogue) -> dict[str, Any]:
    """A scope's block without `url`: at the vendor's own address."""
    return {
        "driver": "ovhcloud",
        "region": REGION,
        "project": catalogue.project,
        "application_key": "secret://ovh-application-key",
        "application_secret": "secret://ovh-application-secret",
        "consumer_key": "secret://ovh-consumer-key",
    }


def new_fleet(effects: EffectLog, faults: FaultTable | None = None, wait: Callable[[float], None] = at_once) -> Fleet:
    catalogue = Catalogue.from_seed(seed("ovhcloud"))
    return Fleet("ovhcloud", catalogue, Addresses(0), Hosts(), NoMachines(), effects, wait, faults)


@contextmanager
def ovhcloud_stand_in(
    rules: Sequence[str] = (), expiration: str | None = None, wait: Callable[[float], None] = at_once
) -> Iterator[OvhStandIn]:
    """`wait` passes the seconds that a boot takes."""
    effects, faults = EffectLog(), FaultTable()
    fleet = new_fleet(effects, faults, wait)
    stand_in = OvhStandIn("ovhcloud", "", faults, effects, fleet=fleet, block=block_of(fleet.catalogue))
    api = api_of(fleet, lambda: time.time() + stand_in.clock, rules=rules, expiration=expiration)

    def handle(request: Request) -> Response:
        stand_in.asked.append(request)
        return api.handle(request)

    with listening(HttpService("ovhcloud", stand_in.tally.counting(handle), faults, api.refusal)) as url:
        stand_in.url = f"{url}/1.0"
        stand_in.block["url"] = stand_in.url
        yield stand_in
        faults.stopping.set()
        fleet.settle()


def settled(look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 5.0) -> Any:
    """What `look` gives once it is as wanted; fails after `seconds`."""
    until = time.monotonic() + seconds
    while not wanted(found := look()):
        assert time.monotonic() < until, f"still {found}"
        time.sleep(0.02)
    return found


def tags(run: str = "r-20261125-abcdef", step: str = "portal-failover/server") -> frozenset[str]:
    return frozenset({"bascule", f"bascule-run={run}", f"bascule-step={step}"})


def names(things: Iterable[Any]) -> list[str]:
    return [thing.name for thing in things]


def unknown_id() -> str:
    return str(uuid.uuid4())
