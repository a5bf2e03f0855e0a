"""Whether a scope is ready: what each of its credentials may do, and whether all that it needs is there.

Everything is asked by reads, or by questions that the vendor answers without doing anything. Nothing outside changes.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.model import Mode
from orchestrator.domain.scope import Scope
from orchestrator.domain.signals.source import SECRETS
from orchestrator.domain.usage import Usage, usage_of
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.operations.estate import Estates
from orchestrator.operations.own_certificate import OwnCertificate
from orchestrator.operations.request import RequestError
from orchestrator.operations.trust import SHORT
from orchestrator.store.secret_store import SecretStore
from providers.rights import BucketUse, Examination, Right, State, Subject

EXAMINE_FOR = 45.0
"""Seconds that one entry may take: a cloud is asked some thirty questions, one after the other."""
UNSEALED = "It lies unsealed in a plain file: bascule secrets seal"
AT_ONCE = 8
"""Entries examined at the same time."""


@dataclass(frozen=True, slots=True)
class CheckUp:
    """All that was found of one scope, at one commit of the estate."""

    scope: str
    commit: str
    examinations: tuple[Examination, ...]

    @property
    def ok(self) -> bool:
        """Nothing that a run needs is missing or broken; what is needless does no harm to a run."""
        return all(one.ok for one in self.examinations)

    def as_json(self) -> dict[str, Any]:
        """The plain form: what `json.dumps` takes, and the API answers."""
        told = [one.as_json() for one in self.examinations]
        return {"scope": self.scope, "commit": self.commit, "ok": self.ok, "examinations": told}


class Doctor:
    def __init__(
        self,
        estates: Estates,
        workshop: EstateWorkshop,
        secrets: SecretStore,
        clock: Callable[[], float],
        own_certificate: OwnCertificate,
    ) -> None:
        self._estates = estates
        self._workshop = workshop
        self._secrets = secrets
        self._clock = clock
        self._own_certificate = own_certificate

    def examine(self, scope: str) -> CheckUp:
        """Every entry of the scope at the newest commit. Raises RequestError when there is no such scope."""
        commit = self._estates.newest()
        bundle = self._estates.bundle(commit)
        if scope not in bundle.estate.scopes:
            raise RequestError(f"The estate has no scope {scope!r}; it has {', '.join(sorted(bundle.estate.scopes))}.")
        usage = usage_of(bundle, scope)
        subjects = subjects_of(bundle.estate.scopes[scope], usage, self._clock())
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="doctor") as pool:
            found = list(
                pool.map(lambda subject: self._workshop.examine(commit, scope, subject, EXAMINE_FOR), subjects)
            )
        files = [self._secret_files(scope, usage.secrets)]
        sources = bundle.estate.signals.sources
        if sources and bundle.estate.scopes[scope].mode is Mode.LIVE:
            files.append(self._secret_files(SECRETS, frozenset(one.auth.secret for one in sources.values())))
        own = self._own_certificate.examine()
        files += [own] if own is not None else []
        return CheckUp(scope, commit, (self._signed(bundle.estate.scopes[scope].mode), *files, *found))

    def _signed(self, mode: Mode) -> Examination:
        """Whether allowed people signed the accepted commit; a live scope needs that."""
        accepted = self._estates.accepted()
        subject = Subject("estate", "signatures")
        if accepted.voucher is not None:
            return subject.found(accepted.commit[:SHORT], [Right(f"by {accepted.voucher.signature.name}", State.HELD)])
        state = State.MISSING if mode is Mode.LIVE else State.UNKNOWN
        advice = "The accepted commit is unsigned: name who may sign the estate (docs/trust.md), and let them sign it."
        return subject.found(accepted.commit[:SHORT], [Right("a signed commit", state, advice)])

    def _secret_files(self, scope: str, needed_here: AbstractSet[str]) -> Examination:
        """The secrets of a scope, or of those who post webhooks: each there, for the service alone, and none that
        nobody refers to."""
        faults = {reference: self._secrets.fault_of(scope, reference) for reference in sorted(needed_here)}
        needed = [
            Right(reference, State.MISSING if fault else State.HELD, fault or self._unsealed(scope, reference))
            for reference, fault in faults.items()
        ]
        needless = [
            Right(reference, State.NEEDLESS, "Nothing refers to it: remove it, so that it can't be stolen.")
            for reference in self._secrets.stored(scope)
            if reference not in needed_here
        ]
        subject = Subject("secrets", scope)
        return subject.found(f"secrets/{scope}", [*needed, *needless])

    def _unsealed(self, scope: str, reference: str) -> str:
        return UNSEALED if self._secrets.unsealed(scope, reference) else ""


def subjects_of(scope: Scope, usage: Usage, now: float) -> Sequence[Subject]:
    """What there is to examine in a scope, in the order in which it is told. Pure."""
    return [*_clouds(scope, usage, now), *_names(scope, now), *_stores(scope, usage, now), *_others(scope, now)]


def _clouds(scope: Scope, usage: Usage, now: float) -> Iterator[Subject]:
    for entry, cloud in sorted(scope.compute.items()):
        images = tuple(sorted(usage.images.get(entry, ())))
        yield Subject("compute", entry, cloud.driver, now, images=images)


def _names(scope: Scope, now: float) -> Iterator[Subject]:
    for entry, zone in sorted(scope.dns.zones.items()):
        yield Subject("dns", entry, zone.driver, now)
    if scope.dns.resolvers:
        yield Subject("dns", "resolvers", "resolvers", now)


def _stores(scope: Scope, usage: Usage, now: float) -> Iterator[Subject]:
    for entry, store in sorted(scope.storage.items()):
        read, written = usage.read.get(entry, set()), usage.written.get(entry, set())
        buckets = tuple(BucketUse(name, name in read, name in written) for name in sorted(read | written))
        yield Subject("storage", entry, store.driver, now, buckets)


def _others(scope: Scope, now: float) -> Iterator[Subject]:
    for entry, source in sorted(scope.sources.items()):
        yield Subject("sources", entry, source.driver, now)
    if scope.ssh is not None:
        yield Subject("ssh", "key", "", now)
        yield Subject("plays", "sandbox", "", now)
    for entry, channel in sorted(scope.notify.items()):
        yield Subject("notify", entry, channel.driver, now)
    for entry, account in sorted(scope.social.items()):
        yield Subject("social", entry, account.driver, now)
    if scope.people.certificate or scope.people.notice_key:
        yield Subject("people", "signatures", "", now)
    for file in authorities_of(scope):
        yield Subject("tls", file, "", now)


def authorities_of(scope: Scope) -> list[str]:
    """The files of authorities that the scope names, each once, as they are written."""
    blocks = [
        scope.smtp,
        scope.tls,
        *scope.compute.values(),
        *scope.dns.zones.values(),
        *scope.storage.values(),
        *scope.sources.values(),
    ]
    return sorted({file for block in blocks if (file := getattr(block, "ca", None))})
