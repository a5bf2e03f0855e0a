"""The simulator's Outscale in this process, without its machines.

Every request to it and every answer of it is held against the vendor's own
OpenAPI description, strictly; what does not fit fails the test at its end.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from providers.base import ProviderError, Secret
from providers.compute.outscale import OutscaleDriver, connect
from providers.simulator.addresses import Addresses
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault, FaultTable
from providers.simulator.fleet import Fleet, Hosts
from providers.simulator.fleet_catalogue import Catalogue
from providers.simulator.http_service import HttpService, Request, Response
from providers.simulator.outscale_api import OutscaleApi
from providers.simulator.outscale_signature import AccessKey
from providers.vendor_http import Deadline
from tests.loopback import LOOPBACK
from tests.vendor_stand_ins import CloudStandIn, NoMachines, Tally, at_once, listening, seed

REGION = "eu-west-2"
ACCESS, SECRET = "EXAMPLEACCESSKEY0001", "EXAMPLE+SECRET/KEY0001"
SECRETS = {"secret://outscale-access": ACCESS, "secret://outscale-secret": SECRET}


@dataclass
class OutscaleStandIn(CloudStandIn):
    """`wrong`: what did not fit the vendor's description; `asked`: the actions so far, with their parameters."""

    api: OutscaleApi = field(kw_only=True)
    wrong: list[str] = field(default_factory=list, kw_only=True)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list, kw_only=True)

    def driver(self, deadline: float = 10.0, **more: Any) -> OutscaleDriver:
        """A driver as a new process would have it; `more` goes into the scope's block."""
        made = connect({**self.block, **more}, reveal, Deadline(deadline, reach=LOOPBACK))
        assert isinstance(made, OutscaleDriver)
        return made

    def actions(self) -> list[str]:
        """The writes asked for so far."""
        return [action for action, _ in self.asked if not action.startswith("Read")]


def reveal(reference: str) -> Secret:
    """The secrets of these tests."""
    if reference not in SECRETS:
        raise ProviderError(f"There is no {reference}.", permanent=True)
    return Secret(SECRETS[reference])


@contextmanager
def outscale_stand_in(
    policy: Sequence[str] = ("api:*",), wait: Callable[[float], None] = at_once, *, strict: bool = True
) -> Iterator[OutscaleStandIn]:
    """`wait` passes the seconds that a boot takes; not `strict`: without the vendor's description, which takes time."""
    effects, faults, tally = EffectLog(), FaultTable(), Tally()
    catalogue = Catalogue.from_seed(seed("outscale"))
    fleet = Fleet("outscale", catalogue, Addresses(0), Hosts(), NoMachines(), effects, wait, faults)
    api = OutscaleApi(fleet, AccessKey(ACCESS, SECRET, REGION), policy=policy)
    wrong: list[str] = []
    asked: list[tuple[str, dict[str, Any]]] = []
    handle = tally.counting(_described(api.handle, wrong, asked) if strict else api.handle)

    def refusal(fault: Fault, request: Request) -> Response:
        return _described(lambda each: api.refusal(fault, each), wrong, asked)(request)

    with listening(HttpService("outscale", handle, faults, refusal)) as url:
        block = {
            "driver": "outscale",
            "url": f"{url}/api/v1",
            "region": REGION,
            "access_key": "secret://outscale-access",
            "secret_key": "secret://outscale-secret",
        }
        yield OutscaleStandIn(
            "outscale", url, faults, effects, fleet=fleet, block=block, tally=tally, api=api, wrong=wrong, asked=asked
        )
        faults.stopping.set()
        fleet.settle()
    assert wrong == []


def _described(
    handle: Callable[[Request], Response], wrong: list[str], asked: list[tuple[str, dict[str, Any]]]
) -> Callable[[Request], Response]:
    """The handler, with what passes through it held against the description."""

    def held(request: Request) -> Response:
        action = request.path.rpartition("/")[2]
        body = json.loads(request.body or b"{}")
        asked.append((action, body))
        wrong.extend(misfits(f"{action}Request", body))
        answer = handle(request)
        shape = f"{action}Response" if answer.status == 200 else "ErrorResponse"
        wrong.extend(misfits(shape, json.loads(answer.body)))
        return answer

    return held


def misfits(schema: str, body: Any) -> list[str]:
    """What of a body does not fit a schema of the vendor's description."""
    if schema not in _description()["components"]["schemas"]:
        return [f"{schema}: the vendor has none"]
    return [f"{schema}{error.json_path[1:]}: {error.message}" for error in _validator(schema).iter_errors(body)]


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"urn:outscale#/components/schemas/{schema}"}, registry=_registry())


@cache
def _registry() -> Registry[Any]:
    registry: Registry[Any] = Registry()
    full: Registry[Any] = registry.with_resource("urn:outscale", DRAFT202012.create_resource(_description()))
    return full


@cache
def _description() -> dict[str, Any]:
    text = files("osc_sdk_python").joinpath("resources/outscale.yaml").read_text()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    described: dict[str, Any] = yaml.load(text, Loader=loader)  # safe: either is a safe loader
    return described
