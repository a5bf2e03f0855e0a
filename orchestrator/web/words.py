"""Every word of the page, in French and in English. What the journal says stays in its own language."""

from collections.abc import Mapping
from typing import Literal

from orchestrator.web import halt_words, map_words, people_words, signal_words

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = ("fr", "en")

_EN = {
    "language": "English",
    "day": "d",
    "page.runs": "Runs",
    "page.skip": "Go to the run",
    "page.all": "All runs",
    "page.times": "Times of day are those of the service ({zone}).",
    "page.refresh": "This page refreshes by itself every 5 seconds.",
    "mode.rehearsal": "Rehearsal",
    "mode.drill": "Drill",
    "mode.live": "Live",
    "mode.rehearsal.means": "Against the simulator. Nothing real is touched.",
    "mode.drill.means": "Real providers, in the drill’s own zone and under its own names.",
    "mode.live.means": "This is the real thing.",
    "direction.failover": "Failover",
    "direction.failback": "Failback",
    "run.awaiting_release": "Waits for release",
    "run.running": "Running",
    "run.cancelling": "Being cancelled",
    "run.undo_requested": "Undo begins",
    "run.undoing": "Being undone",
    "run.succeeded": "Done",
    "run.incomplete": "Ended, incomplete",
    "run.cancelled": "Cancelled",
    "run.undone": "Undone",
    "run.partly_undone": "Partly undone",
    "run.paused": "Paused",
    "run.attention": "Waits for people",
    "run.trouble": "A person must decide",
    "step.pending": "to come",
    "step.ready": "next",
    "step.running": "running",
    "step.settling": "settling",
    "step.verifying": "being checked",
    "step.waiting": "waiting",
    "step.succeeded": "done",
    "step.skipped": "skipped",
    "step.tolerated": "failed, tolerated",
    "step.cancelled": "cancelled",
    "step.failed": "failed",
    "step.held": "held",
    "step.unknown": "unknown",
    "step.undo_ready": "undo next",
    "step.undoing": "being undone",
    "step.undo_settling": "being undone",
    "step.undone": "undone",
    "step.undo_failed": "undo failed",
    "step.left": "left in place",
    "note.after": "after {needs}",
    "note.until": "until {at}",
    "note.again": "again at {at}",
    "note.try": "try {number}",
    "note.over": "longer than expected",
    "wait.release.one": "1 more person must release this plan",
    "wait.release.many": "{missing} people must release this plan",
    "wait.paused": "The run is paused: nothing new starts",
    "wait.approval.approver.one": "1 more approver must say yes",
    "wait.approval.approver.many": "{missing} approvers must say yes",
    "wait.approval.operator.one": "1 more operator must say yes",
    "wait.approval.operator.many": "{missing} operators must say yes",
    "wait.task.approver": "An approver must do the task",
    "wait.task.operator": "An operator must do the task",
    "wait.failed": "Failed",
    "wait.held": "Held: what it changes has moved since the plan",
    "wait.unknown": "Unknown: nothing proves that it happened, or that it did not",
    "wait.undo_failed": "It could not be taken back",
    "wait.given": "{names} said yes",
    "wait.sheet": "See {sheet}",
    "head.waits": "Waits for people",
    "head.type": "Type one of these:",
    "head.steps": "Steps",
    "head.log": "Output",
    "head.log.empty": "Nothing has been written yet.",
    "head.expected": "about {time} expected",
    "head.step": "Step",
    "head.state": "State",
    "head.time": "Time",
    "head.expect": "expected",
    "head.asked": "Asked for by",
    "head.reason": "Reason",
    "head.scope": "Scope",
    "head.plan": "Plan",
    "head.commit": "Estate",
    "head.exception": "Exception",
    "head.asked_at": "Asked for",
    "head.run": "Run",
    "head.progress": "Steps done",
    "sum.steps": "{done} of {total} steps done",
    "sum.undone": "{done} of {total} steps undone",
    "sum.waits.one": "1 thing waits for people",
    "sum.waits.many": "{count} things wait for people",
    "link.live": "Live",
    "link.lost": "No connection: trying again. What you see may be old.",
    "link.ended": "Up to date",
    "list.none": "Nothing has run yet.",
    "list.begin": "Begin on this machine’s command line:",
    "list.rehearse": "rehearse a failover",
    "list.plan": "see what it would change, changing nothing",
    "list.status": "what runs now, and what waits for whom",
    "none.title": "There is nothing here",
    "none.why": "This page or run does not exist.",
    "fault.title": "The page can’t be shown",
    "fault.why": "The service failed here; its log has the details. Runs go on: look again, or use the command line.",
}

_FR = {
    "language": "Français",
    "day": "j",
    "page.runs": "Exécutions",
    "page.skip": "Aller à l’exécution",
    "page.all": "Toutes les exécutions",
    "page.times": "Les heures sont celles du service ({zone}).",
    "page.refresh": "Cette page se recharge d’elle-même toutes les 5 secondes.",
    "mode.rehearsal": "Répétition",
    "mode.drill": "Exercice",
    "mode.live": "Réel",
    "mode.rehearsal.means": "Contre le simulateur. Rien de réel n’est touché.",
    "mode.drill.means": "De vrais fournisseurs, dans la zone et sous les noms propres à l’exercice.",
    "mode.live.means": "Ceci n’est pas un exercice.",
    "direction.failover": "Bascule",
    "direction.failback": "Retour",
    "run.awaiting_release": "Attend sa libération",
    "run.running": "En cours",
    "run.cancelling": "En cours d’abandon",
    "run.undo_requested": "L’annulation commence",
    "run.undoing": "En cours d’annulation",
    "run.succeeded": "Terminée",
    "run.incomplete": "Terminée, incomplète",
    "run.cancelled": "Abandonnée",
    "run.undone": "Annulée",
    "run.partly_undone": "Annulée en partie",
    "run.paused": "En pause",
    "run.attention": "Attend des personnes",
    "run.trouble": "Une personne doit décider",
    "step.pending": "à venir",
    "step.ready": "la prochaine",
    "step.running": "en cours",
    "step.settling": "se met en place",
    "step.verifying": "en vérification",
    "step.waiting": "en attente",
    "step.succeeded": "faite",
    "step.skipped": "passée",
    "step.tolerated": "échouée, tolérée",
    "step.cancelled": "abandonnée",
    "step.failed": "échouée",
    "step.held": "retenue",
    "step.unknown": "incertaine",
    "step.undo_ready": "annulation proche",
    "step.undoing": "en annulation",
    "step.undo_settling": "en annulation",
    "step.undone": "annulée",
    "step.undo_failed": "annulation échouée",
    "step.left": "laissée en place",
    "note.after": "après {needs}",
    "note.until": "jusqu’à {at}",
    "note.again": "de nouveau à {at}",
    "note.try": "essai {number}",
    "note.over": "plus long que prévu",
    "wait.release.one": "Encore 1 personne doit libérer ce plan",
    "wait.release.many": "{missing} personnes doivent libérer ce plan",
    "wait.paused": "L’exécution est en pause : rien de nouveau ne commence",
    "wait.approval.approver.one": "Encore 1 approbateur doit donner son accord",
    "wait.approval.approver.many": "{missing} approbateurs doivent donner leur accord",
    "wait.approval.operator.one": "Encore 1 opérateur doit donner son accord",
    "wait.approval.operator.many": "{missing} opérateurs doivent donner leur accord",
    "wait.task.approver": "Un approbateur doit faire la tâche",
    "wait.task.operator": "Un opérateur doit faire la tâche",
    "wait.failed": "Échec",
    "wait.held": "Retenue : ce qu’elle change a bougé depuis le plan",
    "wait.unknown": "Incertaine : rien ne prouve qu’elle a eu lieu, ni le contraire",
    "wait.undo_failed": "Elle n’a pas pu être annulée",
    "wait.given": "{names} : accord donné",
    "wait.sheet": "Voir {sheet}",
    "head.waits": "Attend des personnes",
    "head.type": "À taper, au choix :",
    "head.steps": "Étapes",
    "head.log": "Sortie",
    "head.log.empty": "Rien n’a encore été écrit.",
    "head.expected": "environ {time} prévues",
    "head.step": "Étape",
    "head.state": "État",
    "head.time": "Durée",
    "head.expect": "prévu",
    "head.asked": "Demandée par",
    "head.reason": "Motif",
    "head.scope": "Périmètre",
    "head.plan": "Plan",
    "head.commit": "Dépôt",
    "head.exception": "Dérogation",
    "head.asked_at": "Demandée",
    "head.run": "Exécution",
    "head.progress": "Étapes faites",
    "sum.steps": "{done} étapes faites sur {total}",
    "sum.undone": "{done} étapes annulées sur {total}",
    "sum.waits.one": "1 point attend des personnes",
    "sum.waits.many": "{count} points attendent des personnes",
    "link.live": "En direct",
    "link.lost": "Pas de connexion : nouvel essai. Ce que vous voyez peut être ancien.",
    "link.ended": "À jour",
    "list.none": "Rien n’a encore été exécuté.",
    "list.begin": "Pour commencer, en ligne de commande sur cette machine :",
    "list.rehearse": "répéter une bascule",
    "list.plan": "voir ce qu’elle changerait, sans rien changer",
    "list.status": "ce qui est en cours, et qui est attendu",
    "none.title": "Il n’y a rien ici",
    "none.why": "Cette page ou cette exécution n’existe pas.",
    "fault.title": "La page ne peut pas s’afficher",
    "fault.why": "Le service a failli ici ; son journal dit pourquoi. Les exécutions continuent : regardez de nouveau, "
    "ou utilisez la ligne de commande.",
}

CATALOGUE: Mapping[Language, Mapping[str, str]] = {
    "fr": {**_FR, **map_words.FR, **signal_words.FR, **halt_words.FR, **people_words.FR},
    "en": {**_EN, **map_words.EN, **signal_words.EN, **halt_words.EN, **people_words.EN},
}


def say(language: Language, key: str, **values: object) -> str:
    return CATALOGUE[language][key].format(**values)


def language_of(asked: str | None, accepted: str | None) -> Language:
    """The language asked for in the address, else the best of Accept-Language (RFC 9110 §12.5.4), else English."""
    if asked in LANGUAGES:
        return "fr" if asked == "fr" else "en"
    best: tuple[float, Language] = (0.0, "en")
    for part in (accepted or "").split(",")[:20]:
        tag, _, weight = part.strip().partition(";")
        for language in LANGUAGES:
            if tag.strip().lower().split("-")[0] == language:
                best = max(best, (_quality(weight), language), key=lambda pair: pair[0])
    return best[1]


def duration(seconds: float, language: Language) -> str:
    """`< 1 s`, `12 s`, `1 min 05 s`, `2 h 05 min`, `3 d 4 h`. static/run.js writes the same."""
    whole = max(int(seconds), 0)
    if whole < 1:
        return "< 1 s"
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    unit = say(language, "day")
    return f"{days} {unit} {hours} h" if hours else f"{days} {unit}"


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
