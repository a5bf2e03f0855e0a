"""Friendica's dialect: no Idempotency-Key, no `direct` statuses, no change of a profile, and texts of any length.

Sources: github.com/friendica/friendica src/Module/NodeInfo120.php, src/Module/Api/Mastodon/Statuses.php (`direct`
answers 500), src/Module/Api/Mastodon/Accounts/UpdateCredentials.php, src/Module/Maintenance.php.
"""

from providers.simulator.api_request import page
from providers.simulator.fediverse import Dialect, outside_scope
from providers.simulator.http_service import Response


def _maintained() -> Response:
    return page(
        503,
        "<!DOCTYPE html><html><head><title>System down for maintenance</title></head><body><h1>System down for "
        "maintenance</h1><p>This Friendica node is currently in maintenance mode, either automatically because it is "
        "self-updating or manually by the node administrator.</p></body></html>",
    )


FRIENDICA = Dialect(
    software="friendica",
    version="2024.12-1576",
    api_version="2.8.0 (compatible; Friendica 2024.12)",
    nodeinfo_path="/nodeinfo/2.0",
    maintenance=_maintained,
    outside_scope=outside_scope,
    keys="ignored",
    visibilities=("public", "unlisted", "private"),
    no_direct=(500, "Direct messages are currently unsupported"),
    longest=200_000,
    most_fields=0,
)
