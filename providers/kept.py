"""What is given to a store to keep."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """What is to be kept. `until`: UTC seconds up to which the bucket's object lock holds it; None asks for no lock.

    `mode`: COMPLIANCE, which nobody lifts, or GOVERNANCE, which who has a right of its own does.
    """

    store: str
    bucket: str
    key: str
    body: bytes
    until: float | None = None
    mode: str = "COMPLIANCE"
