"""What a cloud's credential may do, as far as every cloud's driver can be asked: by the reads that steps make too."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from providers.base import Context, ProviderError
from providers.compute.clouds import cloud
from providers.compute.driver import CloudDriver
from providers.compute.proof import MARK
from providers.rights import Examination, Right, State, Subject
from providers.vendor_http import Deadline, RefusedError

Introspect = Callable[[Any, Subject], Iterable[Right]]
"""What a vendor tells of a credential besides: it is given the driver."""

Stranger = Callable[[Any, RefusedError], bool]
"""Whether a refusal is of who asks, not of what is asked; it is given the driver and the refusal."""

REFUSED = frozenset({401, 403})
ESSENTIAL = 3
"""How many of the first reads every credential of a cloud must be allowed; refused all of them, it is a wrong one."""
IMAGE = "debian-12"
"""Asked for where no runbook names an image."""


class StrangerError(Exception):
    """The vendor does not know who asks: the credential itself is wrong, and no further request is made."""


@dataclass(slots=True)
class Inquiry:
    """The reads of one examination, one after the other.

    `stranger`: tells a refusal of who asks from one of what is asked. `advice`: what to do where a right is missing.
    """

    advice: str
    stranger: Callable[[RefusedError], bool]
    rights: list[Right] = field(default_factory=list)

    def ask(self, name: str, look: Callable[[], object], absent: State = State.MISSING) -> None:
        """One read: what it refuses is a missing right. `absent`: how it stands when the vendor has no such thing.

        Raises StrangerError.
        """
        try:
            found = look()
        except RefusedError as error:
            if self.stranger(error):
                raise StrangerError(error.message) from error
            if error.code not in REFUSED:
                raise
            self.rights.append(Right(name, State.MISSING, self.advice))
        except ProviderError as error:
            self.rights.append(Right(name, absent, error.message))
        else:
            told = Right(name, State.HELD) if found != [] else Right(name, State.UNKNOWN, "The vendor told none.")
            self.rights.append(told)


def examine(context: Context, subject: Subject) -> Examination:
    """Any cloud: by its reads alone."""
    return examined(context, subject, stranger=lambda _, error: error.code == 401)


def examined(
    context: Context,
    subject: Subject,
    *,
    stranger: Stranger,
    introspect: Introspect | None = None,
    advice: str = "Grant it as docs/credentials.md says.",
) -> Examination:
    """The reads of every cloud, then what the vendor tells besides. Raises ProviderError."""
    where = subject.entry
    with cloud(context, subject.entry, Deadline(context.deadline)) as driver:
        where = driver.where
        inquiry = Inquiry(advice, partial(stranger, driver))
        try:
            _reads(driver, subject, inquiry)
            more = [] if introspect is None else list(introspect(driver, subject))
        except StrangerError as error:
            return subject.failed(where, f"{where} does not know the credential ({error}): store the right one.")
    if all(right.state is State.MISSING for right in inquiry.rights[:ESSENTIAL]):
        return subject.failed(where, f"{where} refuses every read: the credential is wrong, or is for another project.")
    return subject.found(where, [*inquiry.rights, *more])


def _reads(driver: CloudDriver, subject: Subject, inquiry: Inquiry) -> None:
    # That there is none is an answer too; that there is no quota is not.
    inquiry.ask("list servers", lambda: (driver.list_nodes(),))
    inquiry.ask("list volumes, snapshots and firewalls", lambda: (driver.ex_parts({MARK}),))
    inquiry.ask("list sizes", driver.ex_offers)
    for image in subject.images or (IMAGE,):
        # An image that no runbook names may be absent.
        absent = State.MISSING if subject.images else State.UNKNOWN
        inquiry.ask(f"find image {image}", partial(driver.ex_image, image), absent)
    inquiry.ask("read quotas", driver.ex_quotas)
