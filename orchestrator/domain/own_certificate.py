"""When people are told that the service's own TLS certificate ends: early, and once at each level."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

DAY = 86_400.0
LEVELS: tuple[tuple[str, float], ...] = (("ended", 0.0), ("1d", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY))
"""What is warned of, the most urgent in front, and from how many seconds before the end."""
TITLE: Mapping[str, str] = {"fr": "Le certificat TLS de Bascule expire", "en": "Bascule's TLS certificate ends"}


@dataclass(frozen=True, slots=True)
class Certificate:
    """`mark`: what it is known by, and another one for each certificate. Times are seconds since the epoch, UTC."""

    mark: str
    name: str
    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class EndWarning:
    """To be told once: `key` names the certificate and the level. `words`: `fr` and `en`."""

    key: str
    level: str
    words: Mapping[str, str]


def due_warning(certificate: Certificate, now: float) -> EndWarning | None:
    """The most urgent level that is reached; None where none is."""
    left = certificate.ends - now
    level = next((name for name, before in LEVELS if left <= before), None)
    if level is None:
        return None
    return EndWarning(f"{certificate.mark}:{level}", level, words_of(certificate, now))


def words_of(certificate: Certificate, now: float) -> dict[str, str]:
    """What is to be done, and until when."""
    day = datetime.fromtimestamp(certificate.ends, UTC).strftime("%Y-%m-%d %H:%M UTC")
    days = int((certificate.ends - now) // DAY)
    if certificate.ends <= now:
        french = f"Il a expiré le {day} : les navigateurs et les programmes éloignés sont refusés."
        english = f"It ended on {day}: browsers and programs elsewhere refuse it."
    else:
        many = "s" if days > 1 else ""
        french = f"Il expire le {day}, dans " + (f"{days} jour{many}." if days else "moins d'un jour.")
        english = f"It ends on {day}, in " + (f"{days} day{many}." if days else "less than a day.")
    return {
        "fr": f"{french} Renouvelez-le et remplacez les fichiers : ils sont relus sans redémarrage. "
        "La commande bascule de cette machine répond toujours.",
        "en": f"{english} Renew it and replace the files: they are read again without a restart. "
        "The bascule command of this machine is answered all the same.",
    }
