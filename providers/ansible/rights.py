"""Whether plays run in a sandbox on this machine, as an examination of a scope."""

from providers.ansible.confinement import found_for
from providers.ansible.containment import Containment
from providers.base import Context
from providers.rights import Examination, Right, State, Subject


def examine(context: Context, subject: Subject) -> Examination:
    """Tried out, not looked up. Only a scope whose plays must be contained is not ready without."""
    found = found_for(context)
    if not found.holds and not context.contained:
        return subject.found("", (), f"Plays of this scope are ended as a whole, but not sandboxed: {_why(found)}.")
    right = Right(
        "sandbox for plays", State.HELD if found.holds else State.MISSING, "" if found.holds else _advice(found)
    )
    return subject.found("bubblewrap", [right])


def _why(found: Containment) -> str:
    return f"{found.missing}; {found.remedy}"


def _advice(found: Containment) -> str:
    return f"{found.missing[:1].upper()}{found.missing[1:]}: {found.remedy}."
