"""What a look shows of the other side: that it works, refuses, fails, or that nothing was seen of it. Pure.

Decided on the status, the words and the protocol's own signs of the other side, never on sentences of ours.

- What holds is `ok`.
- A refusal by authority is `denied`: 401, 403, 451, a protocol's own sign that the credential is refused, or what the
  catalogue knows of this vendor. It says more than a fault: nobody refuses by chance.
- What we could not look at is `unknown`: a secret that is missing, inputs that do not fit, an address outside the
  scope's networks, no way out of this machine, and resolvers of ours that stay silent. None of it is the vendor's
  doing, and silence never makes a verdict.
- Everything else is `fail`. A name that does not exist any more, and one whose own servers fail while our resolver
  answers (SERVFAIL), are the vendor's: an erased zone must not look like silence. Where it is our line that is cut,
  the controls fail as well, and tell so.
- 429 is `fail`: at one look in minutes, who is asked to come less often is not served.
"""

from collections.abc import Iterable

from orchestrator.domain.catalogue import Denial
from orchestrator.domain.signals.observation import Outcome
from providers.base import Finding, Presence, ProviderError, Said

BY_AUTHORITY = frozenset({401, 403, 451})
"""RFC 9110 §15.5.2, §15.5.4 and RFC 7725: refused, and no fault."""


def outcome_of(found: Finding | ProviderError, denials: Iterable[Denial]) -> Outcome:
    """By a check's finding, or by the error that it raised; `denials`: how the vendor's refusals look."""
    if isinstance(found, Finding) and found.presence is Presence.ALREADY:
        return "ok"
    if found.said is None:
        lost = isinstance(found, ProviderError) or found.unseen
        return "unknown" if lost else "fail"
    return "denied" if is_denied(found.said, denials) else "fail"


def is_denied(said: Said, denials: Iterable[Denial]) -> bool:
    return said.refused or said.status in BY_AUTHORITY or any(_fits(one, said) for one in denials)


def _fits(denial: Denial, said: Said) -> bool:
    by_code = not denial.codes or said.status in denial.codes
    by_text = not denial.texts or any(text in said.text for text in denial.texts)
    return by_code and by_text and bool(denial.codes or denial.texts)
