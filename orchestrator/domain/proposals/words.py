"""What people are told of a proposal, in French and in English."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.domain.proposals.proposal import ProposalEvent, Reason

Said = dict[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """What the words speak of. `evidence`: the verdict's own sentence. `armed_until`: UTC seconds."""

    id: str
    services: Mapping[str, Mapping[str, str]]
    """Their titles, by name."""
    scope: str
    digest: str
    steps: int
    approvals_needed: int
    approvals: Sequence[str]
    armed_until: float | None
    evidence: Mapping[str, str]
    by: str = ""
    why: str = ""
    why_fr: str = ""
    """The same in French, where there are words for it."""
    run_id: str = ""
    standing: str = ""
    """The standing approval by which it goes by itself, and who signed that."""
    standing_by: Sequence[str] = ()


LONGEST = 3900
"""Characters of a message."""

_TITLES: Mapping[ProposalEvent, tuple[str, str]] = {
    ProposalEvent.ARMED: ("Bascule proposée : {fr}", "Failover proposed: {en}"),
    ProposalEvent.BLOCKED: ("Bascule voulue mais impossible : {fr}", "Failover wanted, but not possible: {en}"),
    ProposalEvent.COUNTED_DOWN: ("Personne n'a libéré la bascule : {fr}", "Nobody has released the failover: {en}"),
    ProposalEvent.RELEASED: ("Bascule libérée : {fr}", "Failover released: {en}"),
    ProposalEvent.WITHDRAWN: ("Proposition de bascule retirée : {fr}", "Failover proposal withdrawn: {en}"),
    ProposalEvent.REJECTED: ("Proposition de bascule refusée : {fr}", "Failover proposal rejected: {en}"),
}
WHY: Mapping[Reason, Said] = {
    Reason.EVIDENCE: {
        "fr": "Ce qui la justifiait n'est plus observé.",
        "en": "What it stood on is not observed any more.",
    },
    Reason.RULE: {
        "fr": "La règle qui l'avait faite n'existe plus, ou a changé.",
        "en": "The rule that made it is gone, or has changed.",
    },
    Reason.HALTED: {"fr": "L'arrêt d'urgence a été actionné.", "en": "The kill switch was engaged."},
}


def title(event: ProposalEvent, told: Told) -> Said:
    fr, en = _TITLES[event]
    names = {one: ", ".join(titles[one] for titles in told.services.values()) for one in ("fr", "en")}
    return {"fr": fr.format(fr=names["fr"])[:300], "en": en.format(en=names["en"])[:300]}


def body(event: ProposalEvent, told: Told) -> Said:
    """As long as a channel takes it."""
    return {language: text[:LONGEST] for language, text in _body(event, told).items()}


def _body(event: ProposalEvent, told: Told) -> Said:
    match event:
        case ProposalEvent.ARMED | ProposalEvent.COUNTED_DOWN:
            return _asking(told)
        case ProposalEvent.BLOCKED:
            return _with_evidence(
                told,
                f"Pas de plan possible : {told.why_fr or told.why}\nBascule réessaie toutes les cinq minutes.",
                f"The plan can't be made: {told.why}\nBascule tries again every five minutes.",
            )
        case ProposalEvent.RELEASED:
            names = ", ".join(told.approvals)
            return _with_evidence(
                told,
                f"Libérée par {names}. Exécution : {told.run_id}\nSuivre : bascule watch {told.run_id}",
                f"Released by {names}. Run: {told.run_id}\nFollow it: bascule watch {told.run_id}",
            )
        case ProposalEvent.REJECTED:
            return {
                "fr": f"Refusée par {told.by} : {told.why}\nRien n'a été changé.",
                "en": f"Rejected by {told.by}: {told.why}\nNothing was changed.",
            }
        case _:
            why = WHY.get(Reason(told.why), {"fr": told.why, "en": told.why})
            return {"fr": f"{why['fr']}\nRien n'a été changé.", "en": f"{why['en']}\nNothing was changed."}


def _asking(told: Told) -> Said:
    order = f"bascule proposals release {told.id} --digest {told.digest}"
    look = f"bascule proposals show {told.id} --plan"
    missing = told.approvals_needed - len(told.approvals)
    until = _clock(told.armed_until)
    waits_fr = f"Il manque l'accord de {missing} {'personne' if missing == 1 else 'personnes'} : rien ne part sans lui."
    waits_en = f"{missing} {'person' if missing == 1 else 'people'} must release it; until then nothing begins."
    if told.standing:
        who = ", ".join(told.standing_by)
        waits_fr = f"ELLE PART D'ELLE-MÊME à {until}, par l'accord permanent {told.standing} de {who}. L'en empêcher : "
        waits_fr += f"la refuser, ou bascule standing revoke {told.standing} --reason …"
        waits_en = f"IT GOES BY ITSELF at {until}, by the standing approval {told.standing} of {who}. To keep it from "
        waits_en += f"that, reject it, or bascule standing revoke {told.standing} --reason …"
    elif told.why:
        waits_fr += f" L'accord permanent n'a pas pu la libérer : {told.why}"
        waits_en += f" The standing approval could not release it: {told.why}"
    return _with_evidence(
        told,
        f"{told.steps} {'étape' if told.steps == 1 else 'étapes'}, portée {told.scope}. {waits_fr}\n"
        f"Compte à rebours jusqu'à {until}. Elle se retire d'elle-même si ce qui la justifie disparaît.\n"
        f"Voir le plan : {look}\nAccepter : {order}\nRefuser : bascule proposals reject {told.id} --reason …",
        f"{told.steps} {'step' if told.steps == 1 else 'steps'}, scope {told.scope}. {waits_en}\n"
        f"Countdown until {until}. It withdraws itself when what it stands on is gone.\n"
        f"See the plan: {look}\nAccept: {order}\nReject: bascule proposals reject {told.id} --reason …",
    )


def _with_evidence(told: Told, fr: str, en: str) -> Said:
    return {
        "fr": f"{told.evidence.get('fr', '')[:1000]}\n\n{fr}",
        "en": f"{told.evidence.get('en', '')[:1000]}\n\n{en}",
    }


def _clock(at: float | None) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC") if at is not None else "–"
