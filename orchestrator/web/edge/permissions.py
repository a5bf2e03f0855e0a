"""What each route needs. A service with a route that is not here does not start: see `needed_by`."""

from collections.abc import Callable, Mapping, Sequence

from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from orchestrator.domain.people.role import Permission

P = Permission

NEEDS: dict[str, P | None] = {
    "GET /healthz": None,
    "GET /readyz": None,
    "GET /metrics": P.LOOK,
    "POST /webhooks/{source}": None,
    "OPTIONS /webhooks/{source}": None,
    "POST /api/v1/webhooks/estate": None,
    "GET /api/v1/now": P.LOOK,
    "GET /api/v1/services": P.LOOK,
    "GET /api/v1/clocks": P.LOOK,
    "POST /api/v1/doctor": P.EXAMINE,
    "POST /api/v1/doctor/sovereignty": P.EXAMINE,
    "GET /api/v1/estate": P.LOOK,
    "POST /api/v1/estate/accept": P.ACCEPT,
    "POST /api/v1/estate/sync": P.SYNC,
    "GET /api/v1/halt": P.LOOK,
    "POST /api/v1/halt": P.HALT,
    "POST /api/v1/halt/lift": P.LIFT,
    "GET /api/v1/inventories": P.LOOK,
    "POST /api/v1/inventories": P.EXAMINE,
    "GET /api/v1/map": P.LOOK,
    "POST /api/v1/map": P.EXAMINE,
    "POST /api/v1/plans": P.PLAN,
    "GET /api/v1/plans/{digest}": P.LOOK,
    "GET /api/v1/plans/{digest}/moved": P.PLAN,
    "GET /api/v1/proposals": P.LOOK,
    "GET /api/v1/proposals/{proposal_id}": P.LOOK,
    "POST /api/v1/proposals/{proposal_id}/reject": P.APPROVE,
    "POST /api/v1/proposals/{proposal_id}/release": P.APPROVE,
    "GET /api/v1/standing-approvals": P.LOOK,
    "POST /api/v1/standing-approvals": P.PLAN,
    "POST /api/v1/standing-approvals/{approval_id}/sign": P.APPROVE,
    "POST /api/v1/standing-approvals/{approval_id}/revoke": P.REVOKE,
    "GET /api/v1/resources": P.EXAMINE,
    "POST /api/v1/resources/keep": P.TIDY,
    "POST /api/v1/resources/release": P.TIDY,
    "GET /api/v1/runs": P.LOOK,
    "POST /api/v1/runs": P.START,
    "GET /api/v1/runs/{run_id}": P.LOOK,
    "GET /api/v1/runs/{run_id}/events": P.LOOK,
    "GET /api/v1/runs/{run_id}/logs": P.LOOK,
    "GET /api/v1/runs/{run_id}/stream": P.LOOK,
    "POST /api/v1/runs/{run_id}/cancel": P.OPERATE,
    "POST /api/v1/runs/{run_id}/pause": P.PAUSE,
    "POST /api/v1/runs/{run_id}/release": P.APPROVE,
    "POST /api/v1/runs/{run_id}/resume": P.OPERATE,
    "POST /api/v1/runs/{run_id}/undo": P.OPERATE,
    "POST /api/v1/runs/{run_id}/steps/{step_id}/approve": P.LOOK,
    "POST /api/v1/runs/{run_id}/steps/{step_id}/reject": P.LOOK,
    "POST /api/v1/runs/{run_id}/steps/{step_id}/retry": P.OPERATE,
    "POST /api/v1/runs/{run_id}/steps/{step_id}/skip": P.OPERATE,
    "GET /api/v1/signals/observations": P.LOOK,
    "GET /api/v1/signals/sources": P.LOOK,
    "GET /api/v1/signals/unmapped": P.LOOK,
    "GET /api/v1/verdicts": P.LOOK,
    "GET /api/v1/verdicts/changes": P.LOOK,
    "POST /api/v1/verdicts/{subject}/acknowledge": P.ACKNOWLEDGE,
    "POST /api/v1/sessions": None,
    "POST /api/v1/sessions/key/challenge": None,
    "POST /api/v1/sessions/key": None,
    "POST /api/v1/sessions/break-glass": None,
    "POST /api/v1/invitations/accept": None,
    "GET /api/v1/sessions": P.OWN,
    "DELETE /api/v1/sessions": P.OWN,
    "POST /api/v1/sessions/{session_id}/end": P.OWN,
    "GET /api/v1/session": P.OWN,
    "DELETE /api/v1/session": P.OWN,
    "POST /api/v1/session/proof": P.OWN,
    "POST /api/v1/session/challenge": P.OWN,
    "POST /api/v1/approvals/challenge": P.APPROVE,
    "POST /api/v1/account/password": P.OWN,
    "POST /api/v1/account/totp": P.OWN,
    "POST /api/v1/account/totp/confirm": P.OWN,
    "GET /api/v1/account/keys": P.OWN,
    "POST /api/v1/account/keys/challenge": P.OWN,
    "POST /api/v1/account/keys": P.OWN,
    "POST /api/v1/account/keys/{key_id}/remove": P.OWN,
    "GET /api/v1/tokens": P.OWN,
    "POST /api/v1/tokens": P.OWN,
    "DELETE /api/v1/tokens/{token_id}": P.OWN,
    "GET /api/v1/people": P.MANAGE,
    "POST /api/v1/people": P.MANAGE,
    "POST /api/v1/people/after-restore": P.MANAGE,
    "POST /api/v1/people/{name}/grant": P.MANAGE,
    "POST /api/v1/people/{name}/confirm": P.LOOK,
    "POST /api/v1/people/{name}/revoke": P.MANAGE,
    "POST /api/v1/people/{name}/disable": P.MANAGE,
    "POST /api/v1/people/{name}/enable": P.MANAGE,
    "POST /api/v1/people/{name}/invite": P.MANAGE,
    "POST /api/v1/people/{name}/link": P.MANAGE,
    "POST /api/v1/people/{name}/recover": P.MANAGE,
    "GET /api/v1/break-glass": P.LOOK,
    "POST /api/v1/break-glass": P.MANAGE,
    "POST /api/v1/break-glass/confirm": P.LOOK,
    "GET /api/v1/secrets": P.MANAGE,
    "PUT /api/v1/secrets/{scope}/{name}": P.MANAGE,
    "DELETE /api/v1/secrets/{scope}/{name}": P.MANAGE,
    "POST /api/v1/secrets/seal": P.MANAGE,
    "POST /api/v1/secrets/rotate": P.MANAGE,
    "GET /": P.LOOK,
    "GET /services": P.LOOK,
    "GET /services/{name}": P.LOOK,
    "GET /live": P.LOOK,
    "GET /halt": P.HALT,
    "POST /halt": P.HALT,
    "GET /halt/lift": P.LIFT,
    "POST /halt/lift": P.LIFT,
    "GET /map": P.LOOK,
    "GET /signals": P.LOOK,
    "GET /runs/{run_id}": P.LOOK,
    "GET /runs/{run_id}/live": P.LOOK,
    "GET /approve/run/{run_id}": P.LOOK,
    "POST /approve/run/{run_id}": P.LOOK,
    "GET /approve/step/{run_id}/{step_id}": P.LOOK,
    "POST /approve/step/{run_id}/{step_id}": P.LOOK,
    "GET /approve/standing/{approval_id}": P.LOOK,
    "POST /approve/standing/{approval_id}": P.LOOK,
    "GET /approve/proposal/{proposal_id}": P.LOOK,
    "POST /approve/proposal/{proposal_id}": P.LOOK,
    "GET /sign-in": None,
    "POST /sign-in": None,
    "POST /sign-in/key": None,
    "POST /sign-in/codes": None,
    "GET /oidc/start": None,
    "GET /oidc/return": None,
    "GET /welcome": None,
    "POST /welcome": None,
    "GET /account": P.OWN,
    "POST /account/{what}": P.OWN,
    "POST /sign-out": P.OWN,
}
"""None: open to everybody, since it lets people in or has a secret of its own.

What looks at more than a permission asks the rest itself: hold points and pages of approval, at the role that they
name; confirming a role or sealed codes, at who gave it.
"""


Needed = Mapping[tuple[Callable[..., object], str], Permission | None]
"""By a route's function and method."""


def needed_by(routes: Sequence[BaseRoute]) -> Needed:
    """What each route needs. Raises LookupError for one of which nothing is said: no door opens by being forgotten."""
    found, unknown = {}, []
    for route in iter_route_contexts(routes):
        if not isinstance(route.original_route, APIRoute) or route.endpoint is None:
            continue
        for method in sorted(route.methods or ()):
            key = f"{method} {route.path_format}"
            unknown += [] if key in NEEDS else [key]
            found[route.endpoint, method] = NEEDS.get(key)
    if unknown:
        raise LookupError(f"web/edge/permissions.py says nothing of {', '.join(unknown)}.")
    return found
