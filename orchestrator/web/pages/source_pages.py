"""Who may post webhooks: what arrived of each, when it was heard last, and how it is connected. No secret is shown."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.signals.proof import headers_of
from orchestrator.domain.signals.source import SECRETS, Source
from orchestrator.domain.usage import SECRET
from orchestrator.store import deliveries
from orchestrator.web.edge.authority import Acting
from orchestrator.web.pages.page import Lang
from orchestrator.web.pages.settings_frame import section_page
from orchestrator.web.parts import Given, Parts

router = APIRouter(prefix="/settings/sources", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class SourceView:
    """`standing`: `never`, `silent`, `heard`, or `gone` where the estate has it no more and deliveries are kept of it.

    `way`: how it shows that it is itself; `header` and `time_header` where that stands. `kept`: `sealed`, `openbao`,
    `file`, or empty where its secret is not here.
    """

    name: str
    standing: str
    icon: str
    tone: str
    format: str
    trust_domain: str
    rules: int
    count: int
    repeated: int
    unmapped: int
    heard_at: float | None
    silent_after: float
    way: str
    header: str
    time_header: str
    secret: str
    kept: str


_LOOKS = {
    "never": ("later", "quiet"),
    "silent": ("decide", "waits"),
    "heard": ("done", "good"),
    "gone": ("skipped", "quiet"),
}


@router.get("")
def show_sources(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    return section_page(
        request, acting, language, "sources",
        sources=source_views(given),
        base=str(request.base_url).rstrip("/"),
    )  # fmt: skip


def source_views(given: Parts) -> list[SourceView]:
    configured = given.service.signals.sources()
    with given.service.database.read() as conn:
        counts, heard = deliveries.count_by_source(conn), deliveries.last_heard(conn)
    places = {one.name: one.source for one in given.service.secrets.listed() if one.scope == SECRETS}
    now = given.service.progress.clock()
    return [
        _view(name, configured.get(name), counts.get(name, (0, 0, 0)), heard.get(name), places, now)
        for name in sorted({*configured, *counts}, key=lambda one: (one not in configured, one))
    ]


def _view(
    name: str,
    source: Source | None,
    counts: tuple[int, int, int],
    heard_at: float | None,
    places: dict[str, str],
    now: float,
) -> SourceView:
    if source is None:
        return SourceView(name, "gone", *_LOOKS["gone"], "", "", 0, *counts, heard_at, 0.0, "", "", "", "", "")
    silent = heard_at is not None and now - heard_at > source.silent_after
    standing = "never" if heard_at is None else "silent" if silent else "heard"
    secret = source.auth.secret.removeprefix(SECRET)
    header, time_header = headers_of(source)
    return SourceView(
        name, standing, *_LOOKS[standing], source.format, source.trust_domain, len(source.map), *counts, heard_at,
        source.silent_after, source.auth.kind, header, time_header, secret, places.get(secret, ""),
    )  # fmt: skip
