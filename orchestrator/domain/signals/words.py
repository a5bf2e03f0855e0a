"""A verdict in a sentence, in French and in English."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.reason import Reason

Said = dict[str, str]
"""`fr` and `en`."""

VERDICTS: dict[Verdict, tuple[str, str]] = {
    Verdict.UNKNOWN: ("inconnu", "unknown"),
    Verdict.NOMINAL: ("nominal", "nominal"),
    Verdict.SUSPECT: ("suspect", "suspect"),
    Verdict.ERODING: ("s'érode", "eroding"),
    Verdict.CUT: ("coupé", "cut"),
}
_ASPECTS_FR = {
    "dns": "la résolution de noms", "tcp": "la connexion", "tls": "le certificat", "auth": "l'authentification",
    "denial": "l'accès", "semantic": "le service", "sync": "la synchronisation", "freshness": "la fraîcheur",
}  # fmt: skip


def sentence(title: Said, verdict: Verdict, since: float, at: float, reasons: Sequence[Reason]) -> Said:
    """`Microsoft 365: eroding since 09:12: token refresh failing from 2 vantages, controls healthy`. Times are UTC."""
    moment = _moment(since, at)
    told = list(dict.fromkeys(_clause(one) for one in reasons))
    fr = ", ".join(one[0] for one in told)
    en = ", ".join(one[1] for one in told)
    words = VERDICTS[verdict]
    return {
        "fr": f"{title['fr']} : {words[0]} depuis {moment}" + (f" : {fr}" if fr else ""),
        "en": f"{title['en']}: {words[1]} since {moment}" + (f": {en}" if en else ""),
    }


def _moment(since: float, at: float) -> str:
    """The time of day; with the day where that is another one."""
    then, now = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(at, UTC)
    return then.strftime("%H:%M" if then.date() == now.date() else "%Y-%m-%d %H:%M")


def _clause(one: Reason) -> tuple[str, str]:
    fr, en = _thing(one)
    seen_fr, seen_en = _seen_from(one.vantages)
    match one.what:
        case "refused":
            whose = (f" (compte {one.account})", f" (account {one.account})") if one.account else ("", "")
            return f"{fr} refusé{whose[0]}{seen_fr}", f"{en} refused{whose[1]}{seen_en}"
        case "failing":
            return f"{fr} en échec{seen_fr}", f"{en} failing{seen_en}"
        case "partly-refused":
            return f"des refus croissants{seen_fr}", f"refusals growing{seen_en}"
        case "partly-failing":
            return f"des échecs croissants{seen_fr}", f"failures growing{seen_en}"
        case "rising":
            return _rising(one, fr, en)
        case "silent":
            listed = _listed(one.trust_domains)
            return (f"silence de {listed}", f"silence of {listed}") if listed else ("silence", "silence")
        case "answering":
            count = len(one.trust_domains)
            plural = f"{count} domaines" if count > 1 else f"{count} domaine"
            return f"répond à {plural} de confiance", f"answers {_counted(count, 'trust domain')}"
        case "controls-healthy":
            return "témoins sains", "controls healthy"
        case "controls-failing":
            listed = _listed(one.vantages)
            return f"témoins en échec depuis {listed} : c'est chez nous", f"controls failing from {listed}: it is us"
        case "controls-unproven":
            return "aucun témoin", "no controls"
        case "recovered":
            return "de retour, non acquitté", "it is back, and nobody has acknowledged it"
        case "vendor":
            verdict = Verdict(one.verdict or "unknown")
            return f"{one.subject} {VERDICTS[verdict][0]}", f"{one.subject} {VERDICTS[verdict][1]}"


def _rising(one: Reason, fr: str, en: str) -> tuple[str, str]:
    value = one.value or 0.0
    if one.aspect in {"sync", "freshness"}:
        late_fr, late_en = _duration(value)
        if one.aspect == "sync":
            return f"{fr} en retard de {late_fr}", f"{en} {late_en} behind"
        return f"{fr} vieux de {late_fr}", f"{en} {late_en} old"
    if value <= 1.0:
        return f"{fr} monte à {value * 100:.0f} %", f"{en} risen to {value * 100:.0f} %"
    return f"{fr} monte à {value:.4g}", f"{en} risen to {value:.4g}"


def _thing(one: Reason) -> tuple[str, str]:
    """What is looked at, by the sensor's name; by its aspect where it has none of its own."""
    named = " ".join(one.sensor.replace("_", "-").split("-"))
    if not named or named == one.aspect:
        return _ASPECTS_FR.get(one.aspect, one.aspect), one.aspect or "service"
    return named, named


def _seen_from(vantages: Sequence[str]) -> tuple[str, str]:
    if not vantages:
        return "", ""
    if len(vantages) == 1:
        return f" depuis {vantages[0]}", f" from {vantages[0]}"
    return f" depuis {len(vantages)} points de vue", f" from {len(vantages)} vantages"


def _duration(seconds: float) -> tuple[str, str]:
    if seconds < 90:
        told = f"{seconds:.0f} s"
    elif seconds < 5400:
        told = f"{seconds / 60:.0f} min"
    elif seconds < 172800:
        told = f"{seconds / 3600:.0f} h"
    else:
        return f"{seconds / 86400:.0f} j", f"{seconds / 86400:.0f} d"
    return told, told


def _counted(count: int, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
