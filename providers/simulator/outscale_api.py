"""The OUTSCALE API over HTTP: every action is a signed POST of a JSON object to `/api/v1/<action>`.

Only what a server's life needs is here; other actions answer as unknown ones do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pydantic import ValidationError

from providers.simulator.faults import Fault
from providers.simulator.fleet import Fleet
from providers.simulator.fleet_parts import Refusal
from providers.simulator.http_service import Request, Response
from providers.simulator.outscale_answers import OscError, accepted, of_invalid, of_refusal, refused
from providers.simulator.outscale_lists import Lists
from providers.simulator.outscale_requests import Action
from providers.simulator.outscale_rights import EVERYTHING, NOT_SIMULATED, Elsewhere, not_carried_out, require_allowed
from providers.simulator.outscale_signature import AccessKey, SignatureError, verify
from providers.simulator.outscale_storage import Storage
from providers.simulator.outscale_vms import VirtualMachines

ROOT = "/api/v1/"

Run: TypeAlias = Callable[[Any], Mapping[str, Any]]
Actions: TypeAlias = Mapping[str, tuple[type[Action], Run]]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class OutscaleApi:
    """Answers requests that the access key signed and the policy of its user allows (`api:CreateVms`, `api:*`)."""

    fleet: Fleet
    key: AccessKey
    now: Callable[[], datetime] = utc_now
    policy: Sequence[str] = EVERYTHING
    actions: Actions = field(init=False)

    def __post_init__(self) -> None:
        parts = (VirtualMachines(self.fleet), Storage(self.fleet), Lists(self.fleet))
        known: dict[str, tuple[type[Action], Run]] = dict.fromkeys(NOT_SIMULATED, (Elsewhere, not_carried_out))
        known |= {name: way for part in parts for name, way in part.actions().items()}
        object.__setattr__(self, "actions", known)

    def handle(self, request: Request) -> Response:
        try:
            self._authenticate(request)
            model, run = self._action(request)
            asked = model.model_validate_json(request.body or b"{}")
            with self.fleet.lock:
                return accepted({} if asked.dry_run else run(asked))
        except ValidationError as wrong:
            return refused(of_invalid(wrong))
        except Refusal as refusal:
            return refused(of_refusal(refusal))
        except OscError as error:
            return refused(error)

    def refusal(self, fault: Fault, _request: Request) -> Response:
        """A fault in the vendor's words."""
        if fault.kind == "quota":
            quota = Refusal("quota", "simulated", resource="servers", limit=self.fleet.catalogue.quotas["servers"])
            return refused(of_refusal(quota))
        words = {401: ("4", "AccessDenied"), 403: ("4", "AccessDenied"), 409: ("6003", "InvalidState")}
        code, kind = words.get(fault.status, ("2000", "InternalError"))
        return refused(OscError(fault.status, code, kind, "simulated refusal"))

    def _authenticate(self, request: Request) -> None:
        try:
            verify(request, self.key, self.now())
        except SignatureError:
            # The vendor says no more than this.
            raise OscError(401, "1", "AccessDenied") from None

    def _action(self, request: Request) -> tuple[type[Action], Run]:
        name = request.path.removeprefix(ROOT)
        if request.method != "POST":
            raise OscError(405, "2", "AccessDenied", "The request method is not allowed.")
        if not request.path.startswith(ROOT) or name not in self.actions:
            raise OscError(404, "12000", "InvalidAction", f"The action {name} is unknown.")
        require_allowed(self.policy, name)
        return self.actions[name]
