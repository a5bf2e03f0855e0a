"""How one play is held in: in a sandbox wherever that is possible, else by a fence that only ends it as a whole."""

from dataclasses import replace
from pathlib import Path

from providers.ansible.containment import Containment, containment
from providers.ansible.private import view
from providers.ansible.processes import namespace_command
from providers.ansible.sandbox import exposes, sandbox
from providers.base import Context, ProviderError


def containment_for(context: Context) -> Containment:
    """What holds for a play of this step. Raises ProviderError(permanent) when it must be contained and can't be."""
    found = found_for(context)
    if not found.holds and context.contained:
        text = f"The play was not started, because in this scope plays run contained only, and {found}."
        raise ProviderError(text, permanent=True)
    return found


def found_for(context: Context) -> Containment:
    """What holds here for steps with such a workspace."""
    found = containment()
    return _hidden(found, context.workspace) if found.holds else found


def prefix_of(found: Containment, context: Context, private: Path, attempt: str, fence: int) -> list[str]:
    """What to put before the command. Empty where the kernel grants neither a sandbox nor a namespace."""
    if found.holds:
        return sandbox(found.bwrap, view(private, context.estate.absolute(), attempt, fence))
    return namespace_command()


def _hidden(found: Containment, workspace: Path) -> Containment:
    """The data directory must lie outside of what every play is shown."""
    root = exposes(workspace)
    if root is None:
        return found
    remedy = f"keep the data directory elsewhere than below {root}"
    return replace(found, missing=f"{root} is shown to every play, and Bascule's data lies in it", remedy=remedy)
