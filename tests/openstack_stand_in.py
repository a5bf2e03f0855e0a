"""The simulator's OpenStack cloud in this process, without its machines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from providers.base import ProviderError, Secret
from providers.simulator.addresses import Addresses
from providers.simulator.effects import EffectLog
from providers.simulator.faults import FaultTable
from providers.simulator.fleet import Fleet, Hosts
from providers.simulator.fleet_catalogue import Catalogue
from providers.simulator.http_service import HttpService
from providers.simulator.openstack_api import OpenStackApi
from providers.simulator.openstack_keystone import ApplicationCredential, Keystone
from tests.vendor_stand_ins import CloudStandIn, NoMachines, Tally, at_once, listening, seed

CREDENTIAL = ApplicationCredential("21dced0fd20347869b93710d2b98aae0", "rEaSonNGP6HMcLzzLo4")
SECRETS = {"secret://openstack-credential": CREDENTIAL.id, "secret://openstack-secret": CREDENTIAL.secret}


@dataclass
class OpenStackStandIn(CloudStandIn):
    """One OpenStack cloud; `block` is a scope's block for it."""

    api: OpenStackApi = field(kw_only=True)

    @property
    def keystone(self) -> Keystone:
        return self.api.keystone


@contextmanager
def openstack_stand_in(
    credential: ApplicationCredential = CREDENTIAL, wait: Callable[[float], None] = at_once
) -> Iterator[OpenStackStandIn]:
    """`wait` passes the seconds that a boot takes."""
    effects, faults, tally = EffectLog(), FaultTable(), Tally()
    catalogue = Catalogue.from_seed(seed("openstack"))
    fleet = Fleet("openstack", catalogue, Addresses(0), Hosts(), NoMachines(), effects, wait, faults)
    api = OpenStackApi(fleet, Keystone(catalogue, credential))
    with listening(HttpService("openstack", tally.counting(api.handle), faults, api.refusal)) as url:
        api.keystone.base = url
        block = {
            "driver": "openstack",
            "url": f"{url}/identity/v3",
            "region": "RegionOne",
            "network": "Ext-Net",
            "credential": "secret://openstack-credential",
            "secret": "secret://openstack-secret",
        }
        yield OpenStackStandIn("openstack", url, faults, effects, fleet=fleet, api=api, block=block, tally=tally)
        faults.stopping.set()
        fleet.settle()


def reveal(reference: str) -> Secret:
    """The secrets of these tests."""
    if reference not in SECRETS:
        raise ProviderError(f"There is no {reference}.", permanent=True)
    return Secret(SECRETS[reference])
