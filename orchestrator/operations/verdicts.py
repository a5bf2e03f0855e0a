"""What is said of vendors and laws now, and that a person has seen it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Service
from orchestrator.domain.proposals.subject import services_of, title_of
from orchestrator.domain.signals.change import JURISDICTION
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.words import Said
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.store import verdicts
from orchestrator.store.database import Database
from orchestrator.store.runs import Row


@dataclass(frozen=True, slots=True)
class Standing:
    """One subject. `change`: its last change, None where nothing was ever observed. `services`: those of the estate
    that depend on it and have a failover."""

    subject: str
    title: Said
    verdict: Verdict
    words: Said
    services: tuple[str, ...]
    change: Row | None


class Verdicts:
    def __init__(self, database: Database, estates: Estates, clock: Callable[[], float]) -> None:
        self._database = database
        self._estates = estates
        self._clock = clock

    def listed(self) -> Sequence[Standing]:
        """Of every vendor that a service depends on, and of whatever else was observed; the worst first."""
        services, catalogue = self._known()
        with self._database.read() as conn:
            changes = {row.subject: row for row in verdicts.latest(conn)}
        subjects = {*changes, *(one.vendor for one in services.values())}
        found = [self._standing(one, changes.get(one), services, catalogue) for one in subjects]
        return sorted(found, key=lambda one: (-one.verdict.rank, one.subject.startswith(JURISDICTION), one.subject))

    def history(self, subject: str, limit: int) -> Sequence[Row]:
        """Changes of one subject, or of all where it is empty, the newest first."""
        with self._database.read() as conn:
            return verdicts.changes(conn, subject, limit)

    def onsets(self) -> Mapping[str, float]:
        """Of each vendor that erodes or is cut, when that began (UTC seconds)."""
        with self._database.read() as conn:
            return verdicts.board(conn).onsets()

    def acknowledge(self, vendor: str, by: str, comment: str = "") -> None:
        """A person has seen what became of it. Raises NotFound, RequestError."""
        if vendor.startswith(JURISDICTION):
            raise RequestError("A jurisdiction's verdict is made of its vendors': acknowledge those.")
        with self._database.write() as conn:
            if not verdicts.changes(conn, vendor, 1):
                raise NotFound(f"Nothing was ever said of {vendor}; `bascule signals verdicts` lists what was.")
            verdicts.acknowledge(conn, vendor, self._clock(), by, comment)

    def _known(self) -> tuple[Mapping[str, Service], Catalogue]:
        try:
            bundle = self._estates.bundle(self._estates.newest())
        except RequestError:
            return {}, self._estates.shipped
        return bundle.estate.services, bundle.catalogue

    def _standing(
        self, subject: str, change: Row | None, services: Mapping[str, Service], catalogue: Catalogue
    ) -> Standing:
        title = title_of(subject, catalogue)
        depending = services_of(subject, services, catalogue)
        if change is None:
            return Standing(subject, title, Verdict.UNKNOWN, _nobody_looks(title), depending, None)
        return Standing(subject, title, Verdict(change.verdict), change.words, depending, change)


def _nobody_looks(title: Said) -> Said:
    return {
        "fr": f"{title['fr']} : inconnu, personne ne l'observe",
        "en": f"{title['en']}: unknown, nobody looks at it",
    }
