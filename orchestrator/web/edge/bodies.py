"""How large bodies may be, and how much of them may be in memory at once: by who sends them.

Whoever is not known has a share of their own, so that they can fill nobody else's.
"""

from dataclasses import dataclass

MAX_BODY = 1024 * 1024
"""Bytes."""
MAX_AT_DOORS = 64 * 1024
"""Bytes of a body from somebody who is not known: a name, a password, a security key's answer."""


@dataclass(slots=True)
class Share:
    """`largest`: bytes of one body. `most`: bytes of all that are held at once, of which `held` are taken."""

    largest: int
    most: int
    held: int = 0

    def takes(self, length: int) -> bool:
        """Whether so many bytes more were taken in; `let_go` gives them back."""
        if self.held + length > self.most:
            return False
        self.held += length
        return True

    def let_go(self, length: int) -> None:
        self.held -= length


class Shares:
    """Of one process, on one thread."""

    def __init__(self) -> None:
        self.known = Share(MAX_BODY, 64 * MAX_BODY)
        self.deliveries = Share(MAX_BODY, 48 * MAX_BODY)
        """What monitoring systems and forges post; each proves itself by its body."""
        self.doors = Share(MAX_AT_DOORS, 16 * MAX_BODY)
