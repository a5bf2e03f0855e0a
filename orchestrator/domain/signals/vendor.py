"""One vendor under watch."""

from collections.abc import Sequence

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.quorum import Evidence, Verdict, is_lost, is_whole
from orchestrator.domain.signals.standing import Standing
from orchestrator.domain.signals.view import View, Vote
from orchestrator.domain.signals.words import Said

Place = tuple[str, str]
"""A trust domain and a vantage."""


class WatchedVendor:
    """Who decides over it, what each trust domain sees of it, and its verdict."""

    __slots__ = (
        "country", "due", "evidence", "lost_since", "name", "onset", "owner", "shown", "since", "standing", "title",
        "views", "whole_since",
    )  # fmt: skip

    def __init__(self, name: str, catalogue: Catalogue) -> None:
        product = catalogue.product(name)
        self.name = name
        self.title: Said = product.title.model_dump() if product else {"fr": name, "en": name}
        self.owner = product.control.owner if product else f"? {name}"
        self.country = product.control.country if product else ""
        self.views: dict[str, View] = {}
        self.standing = Standing()
        self.evidence = Evidence(Verdict.UNKNOWN)
        self.since: float | None = None
        self.shown: tuple[Observation, ...] = ()
        """Of its present verdict: since when, as the clocks said, and the observations that made it."""
        self.onset: float | None = None
        """When the erosion or cut that it is in began, as the clocks said."""
        self.lost_since: float | None = None
        self.whole_since: float | None = None
        """Since when two trust domains see something of it fail, or nothing of it left; steady seconds."""
        self.due = 0.0
        """The next step at which it must be weighed, whatever arrives."""

    def note_loss(self, votes: Sequence[Vote], now: float) -> None:
        lost, whole = is_lost(votes), is_whole(votes)
        self.lost_since = (now if self.lost_since is None else self.lost_since) if lost else None
        self.whole_since = (now if self.whole_since is None else self.whole_since) if whole else None

    def lost_for(self, now: float) -> tuple[float, float]:
        """Seconds for which something of it has failed, and all of it."""
        lost, whole = self.lost_since, self.whole_since
        return now - lost if lost is not None else 0.0, now - whole if whole is not None else 0.0

    def next_due(self, now: float, step: float) -> float:
        """On the grid of steps: the next one while a worse verdict is pending, every fifth while a better one may be,
        else the first at which a view is silent. Whatever a sensor shows anew wakes it before."""
        unknown = self.standing.verdict is Verdict.UNKNOWN
        for view in self.views.values():
            view.waits = unknown
        if self.evidence.verdict.rank > self.standing.verdict.rank or self.standing.unseen_since is not None:
            return now + step
        if not self.standing.settled or any(view.hot or view.speaks for view in self.views.values()):
            return now + 5 * step
        silences = [at for at in (view.at + view.silence for view in self.views.values()) if at >= now]
        return (min(silences) // step + 1) * step if silences else float("inf")

    @property
    def places(self) -> set[Place]:
        """From where it is looked at."""
        views = self.views.values()
        return {(view.domain, one.vantage) for view in views for found in view.sensors.values() for one in found}
