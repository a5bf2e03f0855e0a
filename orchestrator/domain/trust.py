"""Who vouches for a commit of the estate, and whether that is enough. Pure.

One allowed signer vouches for a whole commit: its signature covers the files it has, whoever wrote them, and all
commits before it. What decides over people and places (`charter`) needs two persons besides: each has signed the
commit that brought it, or said so by a signed tag.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that holds. `principals`: whom the signers file knows by this key; `key`: its fingerprint."""

    principals: tuple[str, ...]
    key: str

    @property
    def name(self) -> str:
        return ",".join(self.principals)


@dataclass(frozen=True, slots=True)
class Voucher:
    """Who signed an accepted commit; `policy`: the two who signed the policy, where the commit changed it."""

    signature: Signature
    policy: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True)
class Spot:
    """A commit whose policy is that of the newest. `brought`: none of the commits before it had this policy."""

    commit: str
    brought: bool


def is_trusted(voucher: Voucher | None) -> bool:
    """Whether what was accepted so is known to come from allowed people. Live scopes ask for it."""
    return voucher is not None


def are_two(one: Signature, other: Signature) -> bool:
    """Two persons: no name in common, written large or small, and not one key."""
    names = {name.casefold() for name in one.principals}
    return one.key != other.key and names.isdisjoint(name.casefold() for name in other.principals)


def two_of(signatures: Iterable[Signature]) -> tuple[Signature, Signature] | None:
    """The first two that are of two persons."""
    return next((pair for pair in combinations(dict.fromkeys(signatures), 2) if are_two(*pair)), None)


def stretch(newest: str, history: Mapping[str, Sequence[str]], is_same: Callable[[str], bool]) -> tuple[Spot, ...]:
    """The commits since the policy was last changed, from the newest on backwards.

    `history`: commit -> its parents; a parent outside of it was accepted before, or is too far away to be looked at.
    Only in a commit that *brought* the policy its own signature speaks for it: who builds on a change, or merges it,
    may not have seen it. What was signed before somebody took the policy back does not count again afterwards.
    """
    same = {newest: True}
    waiting = deque([newest])
    spots: list[Spot] = []
    while waiting:
        commit = waiting.popleft()
        parents = history[commit]
        for parent in parents:
            if parent not in same:
                same[parent] = is_same(parent)
                if same[parent] and parent in history:
                    waiting.append(parent)
        spots.append(Spot(commit, not any(same[parent] for parent in parents)))
    return tuple(spots)
