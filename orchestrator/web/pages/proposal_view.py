"""What pages show of proposals and standing approvals: how it stands, who is missing, and what comes next by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.proposals.proposal import ProposalState, Reason
from orchestrator.domain.proposals.standing_approval import StandingState
from orchestrator.domain.proposals.standing_words import Ended
from orchestrator.domain.signals.change import JURISDICTION
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.store.journal import SYSTEM
from orchestrator.web.api.proposal_routes import NoticeAnswer, ProposalAnswer, ProposalEventAnswer
from orchestrator.web.api.standing_routes import StandingAnswer
from orchestrator.web.pages.signal_view import verdict_word
from orchestrator.web.pages.text import clean
from orchestrator.web.times import duration, moment
from orchestrator.web.words import Language, knows, say

_LOOKS = {
    ProposalState.ARMED: ("waits", "waits"),
    ProposalState.BLOCKED: ("decide", "bad"),
    ProposalState.RELEASED: ("done", "good"),
    ProposalState.WITHDRAWN: ("back", "quiet"),
    ProposalState.REJECTED: ("stopped", "quiet"),
}
_STANDING_LOOKS = {
    StandingState.ASKED: ("decide", "waits"),
    StandingState.IN_FORCE: ("waits", "bad"),
    StandingState.REVOKED: ("stopped", "quiet"),
    StandingState.EXPIRED: ("later", "quiet"),
    StandingState.VOID: ("stopped", "quiet"),
}
SHORT_DIGEST = 19
"""`sha256:` and twelve digits, which the command line takes."""


@dataclass(frozen=True, slots=True)
class ProposalView:
    """`ends`: the end of the countdown (UTC seconds), None where none runs. `next`: what happens then, or after."""

    id: str
    link: str
    title: str
    word: str
    icon: str
    tone: str
    raised_at: float
    words: str
    ends: float | None
    next: str
    given: str
    why: str
    weak_since: float | None
    services: list[tuple[str, str]]
    scope: str
    plan: str
    digest: str
    release: str
    reject: str
    revoke: str
    ended: str
    run: str
    commands: list[str]
    said_yes: list[str]
    """Who has approved it, and can't once more."""


@dataclass(frozen=True, slots=True)
class StandingView:
    """`covers`: what is signed; `line`: who signed, and who must still. `sign`, `revoke`: where that is done."""

    id: str
    title: str
    word: str
    icon: str
    tone: str
    covers: str
    line: str
    reason: str
    expires_at: float
    open: bool
    sign: str
    revoke: str
    ended: str
    used: str
    services: list[str]
    command: str
    barred: list[str]
    """Who asked for it or has signed, and does not sign."""


@dataclass(frozen=True, slots=True)
class EventView:
    at: float
    word: str
    actor: str
    said: str
    lang: str


@dataclass(frozen=True, slots=True)
class NoticeView:
    channel: str
    title: str
    word: str
    tone: str
    icon: str
    message: str


def proposal_view(language: Language, one: ProposalAnswer, titles: Mapping[str, str]) -> ProposalView:
    armed, waits = one.state is ProposalState.ARMED, one.ended_at is None
    icon, tone = _LOOKS[one.state]
    names = ", ".join(clean(titles.get(name, name)) for name in one.services)
    page = f"/proposals/{one.id}"
    return ProposalView(
        id=one.id,
        link=page,
        title=say(language, f"proposal.{one.state}" if waits else "proposal.past", names=names),
        word=say(language, f"proposal.state.{one.state}"),
        icon=icon,
        tone=tone,
        raised_at=one.raised_at,
        words=clean(getattr(one.words, language)),
        ends=one.armed_until if armed else None,
        next=_next(language, one) if waits else "",
        given=_given(language, one),
        why=clean(one.blocked.text) if one.blocked else "",
        weak_since=one.weak_since if waits else None,
        services=[(name, clean(titles.get(name, name))) for name in one.services],
        scope=one.scope,
        plan=f"/plans/{one.digest}" if one.digest else "",
        digest=one.digest,
        release=f"/approve/proposal/{one.id}" if armed else "",
        reject=f"{page}/reject" if waits else "",
        revoke=f"/standing/{one.standing.id}/revoke" if one.standing is not None else "",
        ended=_ended(language, one),
        run=f"/runs/{one.run_id}" if one.run_id else "",
        commands=_commands(one) if waits else [],
        said_yes=[given.by for given in one.approvals],
    )


def _next(language: Language, one: ProposalAnswer) -> str:
    if one.state is not ProposalState.ARMED:
        return say(language, "proposal.again" if one.blocked else "proposal.made")
    if one.standing is not None:
        return say(language, "proposal.itself", id=one.standing.id, names=clean(", ".join(one.standing.signers)))
    return say(language, "proposal.missing", count=one.missing)


def _given(language: Language, one: ProposalAnswer) -> str:
    if not one.approvals:
        return ""
    names = clean(", ".join(given.by for given in one.approvals))
    return say(language, "proposal.given", names=names, given=len(one.approvals), needed=one.approvals_needed)


def _ended(language: Language, one: ProposalAnswer) -> str:
    if one.ended_at is None:
        return ""
    said = {"at": moment(language, one.ended_at), "by": who(language, one.ended_by or "")}
    return say(language, f"proposal.ended.{one.state}", **said)


def _commands(one: ProposalAnswer) -> list[str]:
    if one.state is not ProposalState.ARMED:
        return [f"bascule proposals reject {one.id} --reason …"]
    stops = [f"bascule standing revoke {one.standing.id} --reason …"] if one.standing is not None else []
    return [
        f"bascule proposals show {one.id} --plan",
        f"bascule proposals release {one.id} --digest {one.digest[:SHORT_DIGEST]}",
        f"bascule proposals reject {one.id} --reason …",
        *stops,
    ]


def who(language: Language, actor: str) -> str:
    """Bascule itself by name, and a person by theirs."""
    if actor.startswith("policy:"):
        return say(language, "proposal.rule", rule=actor.removeprefix("policy:"))
    return "Bascule" if actor == SYSTEM else clean(actor)


def event_views(language: Language, events: Sequence[ProposalEventAnswer]) -> list[EventView]:
    return [_event_view(language, one) for one in events]


def _event_view(language: Language, one: ProposalEventAnswer) -> EventView:
    said, lang = _said(language, one.data)
    kind = one.kind.removeprefix("proposal.")
    return EventView(one.at, say(language, f"proposal.event.{kind}"), who(language, one.actor), said, lang)


def _said(language: Language, data: Mapping[str, Any]) -> tuple[str, str]:
    """What goes with an event, and its language where it is not the reader's."""
    reason = str(data.get("reason") or "")
    if reason in {one.value for one in Reason}:
        return say(language, f"proposal.why.{reason}"), ""
    if data.get("text"):
        return clean(str(data["text"])), "en"
    return clean(reason or str(data.get("comment") or data.get("by") or "")), ""


def notice_views(language: Language, notices: Sequence[NoticeAnswer]) -> list[NoticeView]:
    return [_notice_view(language, one) for one in notices]


def _notice_view(language: Language, one: NoticeAnswer) -> NoticeView:
    icon, tone = {"sent": ("done", "good"), "given_up": ("failed", "bad")}.get(one.state, ("moving", "waits"))
    key = f"notice.{one.state}"
    word = say(language, key) if knows(language, key) else one.state
    trouble = one.message if one.state != "sent" else ""
    return NoticeView(one.channel, clean(getattr(one.title, language)), word, tone, icon, clean(trouble))


def standing_view(language: Language, one: StandingAnswer, titles: Mapping[str, str]) -> StandingView:
    icon, tone = _STANDING_LOOKS[one.state]
    is_open, asked = one.ended_at is None, one.state is StandingState.ASKED
    names = [clean(titles.get(name, name)) for name in one.services]
    covers = {
        "subject": one.subject.removeprefix(JURISDICTION),
        "verdict": verdict_word(language, Verdict(one.verdict)),
        "time": duration(one.held_for, language),
        "names": ", ".join(names),
        "commit": one.commit[:12],
        "at": moment(language, one.expires_at),
    }
    order = (
        f"sign {one.id} --digest {one.digest[:SHORT_DIGEST]} --comment …" if asked else f"revoke {one.id} --reason …"
    )
    return StandingView(
        id=one.id,
        title=say(language, f"standing.{one.state}", names=", ".join(names)),
        word=say(language, f"standing.state.{one.state}"),
        icon=icon,
        tone=tone,
        covers=clean(say(language, "standing.covers", **covers)),
        line=_signed(language, one),
        reason=clean(one.reason),
        expires_at=one.expires_at,
        open=is_open,
        sign=f"/approve/standing/{one.id}" if asked else "",
        revoke=f"/standing/{one.id}/revoke" if is_open else "",
        ended=_standing_ended(language, one),
        used=say(language, "standing.used", count=one.uses) if one.uses else "",
        services=list(one.services),
        command=f"bascule standing {order}" if is_open else "",
        barred=[one.asked_by, *(signature.by for signature in one.signatures)],
    )


def _signed(language: Language, one: StandingAnswer) -> str:
    who_signed = clean(", ".join(signature.by for signature in one.signatures))
    said = {"rule": one.rule, "by": clean(one.asked_by), "given": len(one.signatures), "needed": one.needed}
    if one.state is StandingState.ASKED:
        return say(language, "standing.missing", **said)
    return say(language, "standing.line", **said, who=who_signed or say(language, "standing.nobody"))


def _standing_ended(language: Language, one: StandingAnswer) -> str:
    if one.ended_at is None:
        return ""
    why = f"standing.why.{one.why}" if one.why in {found.value for found in Ended} else ""
    said = {"at": moment(language, one.ended_at), "by": who(language, one.ended_by or "")}
    told = say(language, f"standing.ended.{one.state}", **said)
    reason = say(language, why) if why else clean(one.why)
    return f"{told} {reason}".strip()
