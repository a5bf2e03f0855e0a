"""Whether a commit may be accepted: whose signatures it has, and whether two people signed its policy."""

from collections.abc import Callable, Iterator

from orchestrator.domain.charter import NOTHING, Charter, changes, charter_of
from orchestrator.domain.estate import FILE
from orchestrator.domain.signed_object import NotSigned, Signed, signed_commit, signed_tag
from orchestrator.domain.trust import Signature, Spot, Voucher, stretch, two_of
from orchestrator.estate_git import APPROVALS, EstateMirror
from orchestrator.estate_signers import Signers, SignersFault
from orchestrator.operations.request import Denied

SHORT = 12
"""Digits by which a commit is told to people."""
SHOWN = 5


class Untrusted(Denied):
    """A commit is refused because of who made it, or did not; the text says what is missing and what to type."""

    code = "untrusted"


class Trust:
    def __init__(
        self, mirror: EstateMirror, signers: Signers, clock: Callable[[], float], estate_url: str = ""
    ) -> None:
        self._mirror = mirror
        self._signers = signers
        self._clock = clock
        self._estate_url = estate_url

    @property
    def asked_for(self) -> bool:
        """Whether commits have to be signed here at all."""
        return self._signers.asked_for

    def require_later(self, commit: str, accepted: str) -> None:
        """Raises Untrusted when the commit does not come after the accepted one."""
        if self._mirror.descends(commit, accepted):
            return
        older = self._mirror.descends(accepted, commit)
        how = "was wound back to an older commit" if older else "has a rewritten history"
        raise Untrusted(
            f"The branch {how}: {commit[:SHORT]} does not come after {accepted[:SHORT]}, which was accepted last and "
            "serves on. If nobody meant that, push the right branch again. If it is meant: "
            f"bascule estate accept {commit} --reason WHY"
        )

    def signature(self, commit: str) -> Signature:
        """The first allowed signature of a commit: its own, or that of an approving tag on it. Raises Untrusted."""
        self._check_file()
        faults: list[str] = []
        for signature in self._signatures(commit, faults, own=True, tags=True):
            return signature
        raise Untrusted(
            f"The estate's commit {commit[:SHORT]} {faults[0]}. Somebody whom {self._signers.file} names signs the "
            "newest commit: `git commit --amend --no-edit -S`, then push; or, where a forge made it, approves it: "
            f"{how_to_approve(commit)}{_and_so(faults[1:])}"
        )

    def voucher(self, commit: str, signature: Signature, trusted: str | None) -> Voucher:
        """Who stands for the commit, and, if it changes the policy of the last trusted one, the two who signed that.

        Raises Untrusted while only one has.
        """
        if trusted is not None and not self._mirror.has(trusted):
            trusted = None  # its history is gone from here: all of the policy counts as new, and two people sign it
        charter = self._charter(commit)
        before = NOTHING if trusted is None else self._charter(trusted)
        changed = changes(before, charter)
        if not changed:
            return Voucher(signature)
        faults: list[str] = []
        found = list(self._for_policy(commit, charter, trusted, faults))
        pair = two_of(found)
        if pair is None:
            raise self._lacking(commit, changed, found, faults, first=trusted is None)
        return Voucher(signature, pair)

    def _lacking(
        self, commit: str, changed: list[str], found: list[Signature], faults: list[str], *, first: bool
    ) -> Untrusted:
        what = ", ".join(changed[:SHOWN]) + (f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else "")
        by = f"so far it has that of {found[0].name}" if found else "so far it has none"
        why = "is the first to be accepted by signatures, so all its policy is new" if first else "changes the policy"
        more = "" if self._signers.people() > 1 else f" {self._signers.file} names one person only: name a second."
        who = "somebody else" if found else "two people"
        return Untrusted(
            f"The estate's commit {commit[:SHORT]} {why} ({what}): two people sign that, and {by}. "
            f"Let {who} look at it and type: {how_to_approve(commit)}{more}{_and_so(faults)}"
        )

    def _for_policy(self, commit: str, charter: Charter, trusted: str | None, faults: list[str]) -> Iterator[Signature]:
        """Every signature that speaks for the policy as it is at the commit."""
        history = self._mirror.history(commit, trusted)
        for spot in stretch(commit, history, lambda other: not changes(self._charter(other), charter)):
            yield from self._speaking(spot, faults)

    def _speaking(self, spot: Spot, faults: list[str]) -> Iterator[Signature]:
        """Approvals always; the commit's own signature where it brought the policy."""
        return self._signatures(spot.commit, faults, own=spot.brought, tags=True)

    def _signatures(self, commit: str, faults: list[str], *, own: bool, tags: bool) -> Iterator[Signature]:
        """Those that hold, lazily; why others don't is added to the faults."""
        now = self._clock()
        for what, read in self._signed(commit, own=own, tags=tags):
            try:
                yield self._signers.verify(read(), now)
            except NotSigned as error:
                faults.append(f"{what}{error}")
            except SignersFault as error:
                raise Untrusted(str(error)) from error

    def _signed(self, commit: str, *, own: bool, tags: bool) -> Iterator[tuple[str, Callable[[], Signed]]]:
        if own:
            stored = self._mirror.commit_object(commit)
            yield "", lambda: signed_commit(stored)
        for name, tag in self._mirror.approvals(commit).items() if tags else ():
            yield f"the tag {name} ", lambda name=name, tag=tag: signed_tag(tag, name, commit)  # type: ignore[misc]

    def _charter(self, commit: str) -> Charter:
        return charter_of(self._mirror.content(commit, FILE), self._mirror.entries(commit))

    def _check_file(self) -> None:
        try:
            self._signers.check(self._estate_url)
        except SignersFault as error:
            raise Untrusted(str(error)) from error


def how_to_approve(commit: str) -> str:
    """What a person types who has looked at a commit and agrees with it."""
    tag = f"{APPROVALS}{commit[:SHORT]}-NAME"
    return f"`git fetch && git tag -s -m approved {tag} {commit[:SHORT]} && git push origin {tag}`"


def _and_so(faults: list[str]) -> str:
    return f" ({'; '.join(faults[:SHOWN])}.)" if faults else ""
