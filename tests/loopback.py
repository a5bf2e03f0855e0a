"""How far a call may reach whose servers are the test's own: this machine, which a scope reaches if it says so."""

from typing import Any

from providers.reach import Reach

NETWORKS = ["127.0.0.0/8"]
LOOPBACK = Reach.of({"networks": NETWORKS})


def within(scope: dict[str, Any]) -> dict[str, Any]:
    """The scope, reaching loopback."""
    return {"networks": NETWORKS, **scope}
