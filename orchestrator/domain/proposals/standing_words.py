"""What people are told of a standing approval, in French and in English."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from orchestrator.domain.proposals.standing_approval import StandingEvent

Said = dict[str, str]


class Ended(StrEnum):
    """Why one is void."""

    COMMIT = "commit"
    SIGNER = "signer"


@dataclass(frozen=True, slots=True)
class StandingTold:
    """What the words speak of. `missing`: how many must sign still. `expires_at`: UTC seconds."""

    id: str
    rule: str
    services: Sequence[str]
    scope: str
    digest: str
    expires_at: float
    missing: int = 0
    signers: Sequence[str] = ()
    by: str = ""
    why: str = ""
    proposal: str = ""
    run_id: str = ""


_TITLES: Mapping[StandingEvent, tuple[str, str]] = {
    StandingEvent.ASKED: ("Accord permanent demandé : {what}", "Standing approval asked for: {what}"),
    StandingEvent.SIGNED: ("Accord permanent signé : {what}", "Standing approval signed: {what}"),
    StandingEvent.IN_FORCE: ("Accord permanent en vigueur : {what}", "Standing approval in force: {what}"),
    StandingEvent.USED: ("Bascule partie par accord permanent : {what}", "Released by standing approval: {what}"),
    StandingEvent.REVOKED: ("Accord permanent retiré : {what}", "Standing approval revoked: {what}"),
    StandingEvent.EXPIRED: ("Accord permanent expiré : {what}", "Standing approval expired: {what}"),
    StandingEvent.VOIDED: ("Accord permanent nul : {what}", "Standing approval void: {what}"),
}
_VOID: Mapping[Ended, Said] = {
    Ended.COMMIT: {
        "fr": "Le dépôt a changé depuis : ce qui partirait n'est plus ce qui a été signé.",
        "en": "The estate has changed since: what would go is not what was signed.",
    },
    Ended.SIGNER: {
        "fr": "Ce qu'un signataire a le droit de faire a changé depuis.",
        "en": "What one of its signers may do was changed since.",
    },
}


def title(event: StandingEvent, told: StandingTold) -> Said:
    fr, en = _TITLES[event]
    what = f"{', '.join(told.services)} ({told.scope})"
    return {"fr": fr.format(what=what)[:300], "en": en.format(what=what)[:300]}


def body(event: StandingEvent, told: StandingTold) -> Said:
    match event:
        case StandingEvent.ASKED | StandingEvent.SIGNED:
            return _asking(event, told)
        case StandingEvent.IN_FORCE:
            return _in_force(told)
        case StandingEvent.USED:
            who = ", ".join(told.signers)
            return {
                "fr": f"L'accord {told.id} de {who} a libéré {told.proposal} à la fin du compte à rebours.\n"
                f"Exécution : {told.run_id}\nArrêter : bascule pause {told.run_id}, ou bascule halt",
                "en": f"The approval {told.id} of {who} released {told.proposal} at the end of its countdown.\n"
                f"Run: {told.run_id}\nStop it: bascule pause {told.run_id}, or bascule halt",
            }
        case StandingEvent.REVOKED:
            return _ended(told, f"Par {told.by} : {told.why}", f"By {told.by}: {told.why}")
        case StandingEvent.VOIDED:
            why = _VOID.get(Ended(told.why), {"fr": told.why, "en": told.why})
            return _ended(told, why["fr"], why["en"])
        case _:
            return _ended(told, "Son terme est passé.", "Its time is over.")


def _asking(event: StandingEvent, told: StandingTold) -> Said:
    order = f"bascule standing sign {told.id} --digest {told.digest}"
    verb = ("Signé par", "Signed by") if event is StandingEvent.SIGNED else ("Demandé par", "Asked for by")
    people = ("personne", "person") if told.missing == 1 else ("personnes", "people")
    refuse = f"bascule standing revoke {told.id} --reason …"
    return {
        "fr": f"{verb[0]} {told.by}, règle {told.rule}, jusqu'au {_day(told.expires_at)}. "
        f"Il manque {told.missing} {people[0]}.\nSigner : {order}\nRefuser : {refuse}",
        "en": f"{verb[1]} {told.by}, rule {told.rule}, until {_day(told.expires_at)}. "
        f"{told.missing} more {people[1]} must sign.\nSign: {order}\nRefuse: {refuse}",
    }


def _in_force(told: StandingTold) -> Said:
    who = ", ".join(told.signers)
    return {
        "fr": f"Signé par {who}, jusqu'au {_day(told.expires_at)}. Quand la règle {told.rule} propose et que le "
        f"compte à rebours se termine, la bascule part d'elle-même.\nRetirer (une personne suffit) : "
        f"bascule standing revoke {told.id} --reason …",
        "en": f"Signed by {who}, until {_day(told.expires_at)}. When the rule {told.rule} proposes and its countdown "
        f"ends, the failover goes by itself.\nTake it back (one person is enough): "
        f"bascule standing revoke {told.id} --reason …",
    }


def _ended(told: StandingTold, fr: str, en: str) -> Said:
    ask = f"bascule standing ask {told.rule}"
    return {
        "fr": f"{fr}\nLes propositions de la règle {told.rule} attendent de nouveau des personnes. Redemander : {ask}",
        "en": f"{en}\nProposals of the rule {told.rule} wait for people again. Ask anew: {ask}",
    }


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
