"""Every page of the console, by its route: tests look at all of them, and pictures are made of all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from orchestrator.web.edge.permissions import NEEDS

_NO_PAGES = ("/api/", "/webhooks/", "/healthz", "/readyz", "/metrics", "/oidc/", "/history/audit/export")


@dataclass(frozen=True)
class Names:
    """What there is to look at, by the names that the routes' paths have."""

    run_id: str
    step_id: str
    digest: str
    proposal_id: str
    approval_id: str
    name: str
    """A service."""
    vendor: str
    person: str
    more: Mapping[str, str]
    """Of other names; and whole addresses, by their routes."""


def page_routes() -> set[str]:
    """Of every page, as the service names them; streams and what answers programs are none."""
    gets = {key.removeprefix("GET ") for key in NEEDS if key.startswith("GET ")}
    return {path for path in gets if not path.startswith(_NO_PAGES) and not path.endswith("/live")}


def path_of(route: str, names: Names) -> str:
    """The address of one such page. Raises LookupError for a name that nobody gave."""
    if route in names.more:
        return names.more[route]
    path = route
    for part in route.split("{")[1:]:
        name = part.partition("}")[0]
        key = name.partition(":")[0]
        value = names.more.get(f"{route} {key}") or names.more.get(key) or getattr(names, key, None)
        if not value:
            raise LookupError(f"tests/browser/every_page.py is not told what {key} of {route} is")
        path = path.replace(f"{{{name}}}", quote(value))
    return path


def picture_of(route: str) -> str:
    """What its pictures are called: `/runs/{run_id}` is `run`."""
    parts = [part for part in route.split("/") if part]
    named = [part for part in parts if not part.startswith("{")]
    if not named:
        return "now"
    ends_with_name = parts[-1].startswith("{")
    return "-".join(named) + ("-one" if ends_with_name else "")
