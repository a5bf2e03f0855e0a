"""The control API: the whole state, the effects, the faults, and back to the seed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from providers.simulator.condition import Condition
from providers.simulator.dns_zones import ZoneBook
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault, FaultTable
from providers.simulator.fleet import Fleet
from providers.simulator.http_service import Request, Response
from providers.simulator.mail import Mailbox
from providers.simulator.ovh_dns import OvhDns
from providers.simulator.products import Products
from providers.simulator.s3_store import Store


class _Faults(BaseModel):
    model_config = ConfigDict(extra="forbid")

    faults: list[Fault]


class _Stock(RootModel[dict[str, dict[str, int]]]):
    """Cloud: size: servers left."""


class _Conditions(RootModel[dict[str, Condition]]):
    """Product: condition."""


@dataclass(slots=True)
class Control:
    """Unauthenticated: it listens on loopback and knows nothing worth stealing.

    | request | what |
    |---|---|
    | GET /health | `{"ready": true}` |
    | GET /state | servers, volumes, zones, buckets and mailboxes in a fixed order, free of times and random ids |
    | GET /effects | every write so far |
    | GET, PUT, DELETE /faults | the rules in force, `{"faults": [...]}` |
    | PUT /stock | `{"cloud": {"size": how many are left}}`: a size that is not named never runs out |
    | GET, PUT /conditions | `{"product": "healthy"}`, or down, parked, maintenance, wrong-certificate, read-only |
    | GET /mailboxes | every message with its text |
    | POST /reset | back to the seed: no servers, no effects, no faults |
    """

    fleets: Mapping[str, Fleet]
    zones: ZoneBook
    stores: dict[str, Store]
    mailboxes: dict[str, Mailbox]
    effects: EffectLog
    faults: FaultTable
    ovh_dns: OvhDns
    products: Products | None = None
    """Set when they listen."""

    def handle(self, request: Request) -> Response:
        routes: dict[str, Callable[[Request], Response]] = {
            "GET /health": lambda _: _json(200, {"ready": True}),
            "GET /state": lambda _: _json(200, self.state()),
            "GET /effects": lambda _: _json(200, {"effects": self.effects.listed()}),
            "GET /faults": lambda _: _json(200, {"faults": self.faults.listed()}),
            "PUT /faults": self._set_faults,
            "DELETE /faults": self._clear_faults,
            "PUT /stock": self._set_stock,
            "GET /conditions": lambda _: _json(200, {"conditions": self._conditions()}),
            "PUT /conditions": self._set_conditions,
            "GET /mailboxes": lambda _: _json(200, self.messages()),
            "POST /reset": self._reset,
        }
        route = routes.get(f"{request.method} {request.path}")
        if route is None:
            return _json(404, {"message": f"There is no {request.method} {request.path}; see {', '.join(routes)}."})
        return route(request)

    def state(self) -> dict[str, object]:
        return {
            **self._clouds(),
            "zones": self.zones.state(),
            "social": self.products.state() if self.products else {},
            "buckets": {name: store.state() for name, store in sorted(self.stores.items())},
            "mailboxes": {
                name: [message.message_id for message in mailbox.listed()]
                for name, mailbox in sorted(self.mailboxes.items())
            },
        }

    def _clouds(self) -> dict[str, object]:
        """What all clouds have, each thing with its cloud's name."""
        found: dict[str, list[dict[str, object]]] = {}
        for name, fleet in sorted(self.fleets.items()):
            for kind, things in fleet.state().items():
                found.setdefault(kind, []).extend({"cloud": name, **thing} for thing in things)
        return dict(found)

    def messages(self) -> dict[str, object]:
        return {
            name: [asdict(message) for message in mailbox.listed()] for name, mailbox in sorted(self.mailboxes.items())
        }

    def _set_faults(self, request: Request) -> Response:
        try:
            asked = _Faults.model_validate_json(request.body)
        except ValidationError as wrong:
            told = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in wrong.errors())
            return _json(422, {"message": f"These are no faults: {told}"})
        self.faults.replace(asked.faults)
        return _json(200, {"faults": self.faults.listed()})

    def _set_stock(self, request: Request) -> Response:
        try:
            asked = _Stock.model_validate_json(request.body).root
            for cloud, left in asked.items():
                fleet = self.fleets[cloud]
                with fleet.lock:
                    fleet.catalogue.stock = dict(left)
        except (ValidationError, KeyError) as wrong:
            return _json(422, {"message": f"This is no stock of a cloud: {' '.join(str(wrong).split())}"})
        return _json(200, {"stock": {name: fleet.catalogue.stock for name, fleet in self.fleets.items()}})

    def _conditions(self) -> dict[str, str]:
        return self.products.conditions() if self.products else {}

    def _set_conditions(self, request: Request) -> Response:
        """Those that are named change; the others stay."""
        try:
            asked = _Conditions.model_validate_json(request.body).root
            for name, condition in asked.items():
                if self.products is not None:
                    self.products.become(name, condition)
        except (ValidationError, KeyError) as wrong:
            return _json(422, {"message": f"This is no condition of a product: {' '.join(str(wrong).split())}"})
        return _json(200, {"conditions": self._conditions()})

    def _clear_faults(self, _request: Request) -> Response:
        self.faults.replace([])
        return Response(204)

    def _reset(self, _request: Request) -> Response:
        self.faults.replace([])
        for fleet in self.fleets.values():
            fleet.reset()
        self.zones.reset()
        self.ovh_dns.reset()
        for store in self.stores.values():
            store.reset()
        for mailbox in self.mailboxes.values():
            mailbox.clear()
        if self.products is not None:
            self.products.reset()
        self.effects.clear()
        return _json(200, {"ready": True})


def _json(status: int, body: dict[str, object]) -> Response:
    return Response(status, json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": "application/json"})
