"""What the pages of the settings need to have something to show: a second person's word waits, a token, a stray."""

import time

from orchestrator.app import Bascule
from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.store import people, strays
from orchestrator.store.strays import StrayKey


def settings_names(bascule: Bascule, who: str, other: str) -> dict[str, str]:
    """The addresses of these pages, by their routes, for `who` may do everything; `other` is another approver."""
    register, tokens = bascule.people.register, bascule.people.tokens
    with bascule.database.write() as conn:
        people.change(conn, who, totp="of some app")
        key = StrayKey("drill", "cloud", "server", "11aa-22bb")
        strays.note(conn, key, "drill-portal", "r-12", "portal/server", time.time())
    register.add("monitor", "Supervision", [Grant(Role.VIEWER)], other, program=True)
    register.add("yann", "Yann Le Goff", [Grant(Role.APPROVER), Grant(Role.OPERATOR, "mail")], other)
    token = tokens.make("monitor", "alerts", [Grant(Role.VIEWER)], 30, Actor(other, Proof.TOTP))
    bascule.people.break_glass.seal(5, 3, [Grant(Role.ADMIN)], 300, other)
    of = "/settings/people/{name}"
    return {
        "/settings/people/-/{what}": "/settings/people/-/add",
        of: "/settings/people/yann",
        f"{of}/confirm": "/settings/people/yann/confirm",
        f"{of}/{{what}}": "/settings/people/yann/disable",
        "/settings/tokens/{token_id}/revoke": f"/settings/tokens/{token.id}/revoke",
        "/settings/secrets/{what}": "/settings/secrets/set",
        "/settings/resources/{what}": "/settings/resources/release?scope=drill&id=11aa-22bb",
    }
