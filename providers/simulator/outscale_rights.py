"""EIM at Outscale, as far as it shows: which actions a user's policy allows, and some that are never carried out here.

Source: the vendor's user guide, "About EIM", and its published list of errors (code 4, ErrorUnauthorizedOperation).
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ConfigDict
from pydantic.alias_generators import to_pascal

from providers.simulator.outscale_answers import OscError
from providers.simulator.outscale_requests import Action

EVERYTHING = ("api:*",)
NOT_SIMULATED = (
    "CreateAccessKey",
    "DeleteAccessKey",
    "DeleteImage",
    "DeleteLoadBalancer",
    "DeleteNet",
    "DeleteUser",
    "PutUserPolicy",
)
"""Actions of the vendor's that answer whether they would be allowed, and are never carried out here."""


class Elsewhere(Action):
    """The body of such an action; what it holds is not looked at."""

    model_config = ConfigDict(extra="allow", strict=True, alias_generator=to_pascal)


def not_carried_out(asked: Elsewhere) -> Mapping[str, Any]:
    del asked
    raise OscError(400, "12000", "InvalidAction", "The action is not simulated.")


def require_allowed(policy: Iterable[str], action: str) -> None:
    """Raises OscError when no statement of the policy allows the action."""
    if not any(fnmatchcase(f"api:{action}", allowed) for allowed in policy):
        raise OscError(401, "4", "AccessDenied", f"The user is not allowed to perform {action}.")
