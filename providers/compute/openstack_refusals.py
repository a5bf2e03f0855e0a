"""What OpenStack's refusals mean: for now, for want of room, or for good.

Nova tells a used-up quota from a missing right by its text alone (both are 403
`forbidden`), and Cinder a state from a mistake (both 400 `badRequest`); so texts
are compared here, and nowhere else. They are those of `nova/exception.py` and
`cinder/exception.py`, unchanged since 2015.
"""

import re

from providers.vendor_http import RefusedError, one_line

PASSING_KINDS = frozenset({"SecurityGroupInUse", "PortInUse", "FloatingIPPortAlreadyAssociated"})
"""Neutron's words for what is still held by something that is on its way out."""
PASSING_TEXT = re.compile(
    r"Cannot '[^']+' (?:instance|server) .* while it is in "
    r"|Invalid (?:volume|snapshot)\b.*\bstatus\b"
    r"|(?:Volume|Snapshot) status must be "
)
FULL_KINDS = frozenset({"OverQuota", "IpAddressGenerationFailure", "ExternalIpAddressExhausted", "NoMoreNetworks"})
FULL_TEXT = re.compile(
    r"Quota exceeded"
    r"|Maximum number of .* exceeded"
    r"|exceeds allowed [a-z ]*quota"
    r"|(?:Volume|Snapshot)LimitExceeded"
)
NO_HOST = re.compile(
    r"No valid host was found"
    r"|Exhausted all hosts available"
    r"|Insufficient compute resources"
    r"|No (?:more|fixed) IP addresses available"
)


def is_passing(error: RefusedError) -> bool:
    """Whether it is answered so while a server or part just changes its state; 404 that it has gone meanwhile."""
    if error.code == 404 or error.kind in PASSING_KINDS:
        return True
    return error.code in {400, 409} and bool(PASSING_TEXT.search(str(error.message)))


def no_capacity(error: RefusedError) -> str | None:
    """What there is no room for, in the service's own words; None when it is something else."""
    said = str(error.message)
    full = error.kind in FULL_KINDS or (error.code in {403, 413} and FULL_TEXT.search(said))
    return one_line(said).rstrip(".") if full else None


def no_host(fault: str) -> str | None:
    """Why a server that ended in ERROR found no place, in Nova's words; None when it is something else.

    Nova takes a server on before it looks for a host, and Cinder a root volume
    before it counts, so this comes later than the answer to the create request.
    """
    return one_line(fault).rstrip(".") if NO_HOST.search(fault) or FULL_TEXT.search(fault) else None
