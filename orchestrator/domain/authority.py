"""Who may let a run go, and which runs may go at all."""

from collections.abc import Sequence

from orchestrator.domain.model import Mode
from orchestrator.domain.trust import Voucher, is_trusted

RELEASES_NEEDED = {Mode.REHEARSAL: 0, Mode.DRILL: 1, Mode.LIVE: 2}
"""How many people release a plan's digest before its first effect."""

NOBODY = frozenset({"bascule", "timer", "start", "webhook", "local"})
"""Actors that are no people."""
BY_RULE = "policy:"
"""What the name of an actor begins with that is a rule of the estate."""
BREAK_GLASS = "break-glass-"
"""What the name of an actor begins with who came with sealed codes."""
PSEUDONYM = "person-"
"""What the chains of the audit call people, with random digits behind it."""


def is_nobody(name: str) -> bool:
    """Whether the name, in lower case, is one that no person may go by."""
    return name in NOBODY or name.startswith((BY_RULE, PSEUDONYM, BREAK_GLASS))


class Refused(Exception):
    """A gate is closed; the text says which, and what opens it."""


def proves_people(mode: Mode) -> bool:
    """Whether who starts and approves such runs must be known: wherever a release is asked for."""
    return RELEASES_NEEDED[mode] > 0


def check_estate(mode: Mode, voucher: Voucher | None) -> None:
    """Live runs stand on a commit that allowed people signed. Raises Refused."""
    if mode is Mode.LIVE and not is_trusted(voucher):
        raise Refused(
            "Live runs are refused: the accepted commit of the estate is unsigned, so nothing proves who wrote it. "
            "Name the people who may sign it (docs/trust.md), let them sign, and plan anew."
        )


def must_contain(mode: Mode) -> bool:
    """Whether plays of such runs are contained, or do not run: a playbook is a program, and live it meets secrets."""
    return mode is Mode.LIVE


def check_containment(mode: Mode, missing: str) -> None:
    """Raises Refused for live runs where plays can't be contained.

    `missing`: what is lacking and its remedy, empty when nothing is.
    """
    if must_contain(mode) and missing:
        raise Refused(
            f"Live runs are refused on this machine, because {missing}. Rehearsals and drills go on without; "
            "`bascule doctor` tells when it is mended."
        )


def must_have_secrets(mode: Mode) -> bool:
    """Whether runs that lack a secret may not begin: what people release reaches real providers."""
    return RELEASES_NEEDED[mode] > 0


def check_secrets(mode: Mode, missing: Sequence[str]) -> None:
    """Raises Refused where a run would stop halfway, for want of a secret."""
    if must_have_secrets(mode) and missing:
        raise Refused(
            f"It is refused because secrets of its scope can't be had: {', '.join(missing[:5])}"
            f"{' and others' if len(missing) > 5 else ''}. `bascule doctor` says why of each; store them "
            "(`bascule secrets set`), then try again."
        )


def check_approver(actor: str, requester: str, given: Sequence[str]) -> None:
    """Distinct people, and never the one who asked. Raises Refused."""
    person = _same(actor)
    if not person:
        raise Refused("An approval names the person who gives it.")
    if person == _same(requester):
        raise Refused(f"{actor} asked for this run, so someone else must approve it.")
    if person in {_same(name) for name in given}:
        raise Refused(f"{actor} has approved already; another person must.")


def _same(name: str) -> str:
    """Alice, alice and " alice" are one person; so is whoever comes with sealed codes, whichever bundle they are of."""
    folded = " ".join(name.split()).casefold()
    return BREAK_GLASS if folded.startswith(BREAK_GLASS) else folded
