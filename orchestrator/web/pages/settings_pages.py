"""The overview of the settings: of each part how it stands, and what waits for a second person."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.operations.people.register import Held
from orchestrator.web.edge.authority import Acting
from orchestrator.web.pages.credential_pages import scope_views
from orchestrator.web.pages.glass_pages import standing_of
from orchestrator.web.pages.itself_pages import certificate_standing
from orchestrator.web.pages.page import Lang
from orchestrator.web.pages.secret_pages import kept
from orchestrator.web.pages.settings_frame import grant_words, section_page, sections_of
from orchestrator.web.pages.source_pages import source_views
from orchestrator.web.parts import Given, Parts
from orchestrator.web.times import day, duration
from orchestrator.web.words import Language, say

router = APIRouter(prefix="/settings", include_in_schema=False)

_ICONS = {"good": "done", "waits": "decide", "bad": "failed", "quiet": "later"}


@dataclass(frozen=True, slots=True)
class Card:
    """How one part stands, in a sentence; `tone`: good, waits, bad or quiet."""

    section: str
    tone: str
    says: str

    @property
    def icon(self) -> str:
        return _ICONS[self.tone]


@router.get("")
def show_settings(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    return section_page(
        request, acting, language, "", "settings.html",
        cards=[Card(name, *_SAYS[name](given, language)) for name in sections_of(acting)],
        roles=_unconfirmed(given, acting.name) if acting.is_person else [],
        glass=_glass_waits(given, acting.name) if acting.is_person else False,
        words_of=lambda grant: grant_words(language, grant),
    )  # fmt: skip


def _unconfirmed(given: Parts, name: str) -> list[tuple[str, Held]]:
    return given.service.people.register.unconfirmed(name)


def _glass_waits(given: Parts, name: str) -> bool:
    """Whether sealed codes wait for this person's word."""
    waiting = [one for one in given.service.people.break_glass.sealed() if not one.counts and one.sealed_by != name]
    return bool(waiting) and given.service.people.register.confirms(name)


Said = tuple[str, str]
"""Tone and sentence."""


def _people(given: Parts, language: Language) -> Said:
    found = given.service.people.register.listed()
    waiting = sum(not held.counts for one in found for held in one.roles)
    people = sum(not one.program for one in found)
    if waiting:
        return "waits", say(language, "settings.card.people.waits", count=waiting)
    return "good", say(language, "settings.card.people", count=people)


def _tokens(given: Parts, language: Language) -> Said:
    now = given.service.progress.clock()
    found = [one for one in given.service.people.tokens.listed() if one.expires_at > now]
    if not found:
        return "quiet", say(language, "settings.card.tokens.none")
    first = min(one.expires_at for one in found)
    return "good", say(language, "settings.card.tokens", count=len(found), at=day(language, first))


def _glass(given: Parts, language: Language) -> Said:
    found = {one.counts: one for one in given.service.people.break_glass.sealed()}
    sealed = found.get(True)
    standing = standing_of(sealed, given.service.progress.clock())
    if sealed is None:
        return "waits", say(language, "settings.card.glass.waits" if False in found else "settings.card.glass.none")
    until = day(language, sealed.expires_at)
    tone = {"over": "bad", "soon": "waits", "good": "good"}[standing]
    key = "settings.card.glass.over" if standing == "over" else "settings.card.glass"
    return tone, say(language, key, count=sealed.shares, needed=sealed.needed, until=until)


def _secrets(given: Parts, language: Language) -> Said:
    found = kept(given)
    there = [one for scope in found for one in scope.there]
    shut, plain = sum(not one.opens for one in there), sum(one.source == "file" for one in there)
    missing = sum(len(one.missing) for one in found if one.mode == "live")
    if shut:
        return "bad", say(language, "settings.card.secrets.shut", count=shut)
    if missing:
        return "waits", say(language, "settings.card.secrets.missing", count=missing)
    if plain:
        return "waits", say(language, "settings.card.secrets.plain", count=plain)
    return ("good" if there else "quiet"), say(language, "settings.card.secrets", count=len(there))


def _credentials(given: Parts, language: Language) -> Said:
    """By the gravest scope that was examined."""
    scopes = scope_views(given)
    now = given.service.progress.clock()
    if not scopes:
        return "quiet", say(language, "settings.card.credentials.none")
    one = scopes[0]
    if one.standing == "never":
        return "waits", say(language, "settings.card.credentials.never", scope=one.name)
    said = {"scope": one.name, "time": duration(now - one.last.at, language)}
    if one.broken:
        return "bad", say(language, "settings.card.credentials.broken", count=one.broken, **said)
    return ("waits" if one.wide else "good"), say(language, f"settings.card.credentials.{one.standing}", **said)


def _sources(given: Parts, language: Language) -> Said:
    found = [one for one in source_views(given) if one.standing != "gone"]
    if not found:
        return "quiet", say(language, "settings.card.sources.none")
    quiet = sum(one.standing != "heard" for one in found)
    if quiet:
        return "waits", say(language, "settings.card.sources.quiet", count=quiet, all=len(found))
    return "good", say(language, "settings.card.sources", count=len(found))


def _resources(given: Parts, language: Language) -> Said:
    asked = sum(not row.decision for row in given.service.resources.noted())
    return ("waits" if asked else "good"), say(language, "settings.card.resources", count=asked)


def _itself(given: Parts, language: Language) -> Said:
    facts = given.service.itself.facts()
    certificate = certificate_standing(facts, given.service.progress.clock())
    if not facts.ready:
        return "bad", say(language, "settings.card.itself.not")
    if certificate in ("over", "unreadable"):
        return "bad", say(language, f"settings.itself.certificate.{certificate}")
    if facts.uncontained:
        return "bad", say(language, "settings.itself.uncontained")
    if certificate == "soon":
        return "waits", say(language, "settings.itself.certificate.soon")
    return "good", say(language, "settings.card.itself")


_SAYS: Mapping[str, Callable[[Parts, Language], Said]] = {
    "people": _people,
    "tokens": _tokens,
    "break-glass": _glass,
    "secrets": _secrets,
    "credentials": _credentials,
    "sources": _sources,
    "resources": _resources,
    "itself": _itself,
}
