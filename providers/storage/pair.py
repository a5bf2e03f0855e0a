"""Both buckets of a copy or comparison, for one thread and the length of one call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from providers.base import Context
from providers.storage.crew import Crew
from providers.storage.store import Bucket
from providers.vendor_http import Deadline, provider_errors
from providers.wants import Copy, Verify


@dataclass(frozen=True, slots=True)
class Pair:
    """The source, and the target that is like it or is to be."""

    source: Bucket
    target: Bucket

    @classmethod
    def of(cls, context: Context, want: Copy | Verify, deadline: Deadline) -> "Pair":
        source = Bucket(context, want.source.store, want.source.bucket, deadline)
        return cls(source, Bucket(context, want.target.store, want.target.bucket, deadline))

    def close(self) -> None:
        self.source.close()
        self.target.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Errors name both buckets, and say whether the target may have been written to."""
        with provider_errors(self.target.connection, f"{self.target.where}, copied from {self.source.where},"):
            yield

    @contextmanager
    def source_errors(self) -> Iterator[None]:
        """Errors name the source; the target's connection says whether an effect is possible, whoever fails."""
        with provider_errors(self.target.connection, self.source.where):
            yield


def crew_of(context: Context, want: Copy | Verify, pair: Pair, deadline: Deadline) -> Crew[Pair]:
    """As many threads as both stores allow."""
    size = min(pair.source.limits.parallel, pair.target.limits.parallel)
    return Crew(lambda: Pair.of(context, want, deadline), size, deadline)
