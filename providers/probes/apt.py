"""A package mirror that has a suite as its distributor signed it, still valid, with the package lists it names.

The format: https://wiki.debian.org/DebianRepository/Format. `Valid-Until` keeps a mirror from serving
yesterday's suite for ever, so that security updates seem not to exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from providers.base import ProviderError
from providers.probes.api_answer import require
from providers.probes.check import ATTEMPT_SECONDS, Attempt, Check, DoesNotHoldError, Seen
from providers.probes.openpgp import Signed, UnsignedError, verified
from providers.probes.web_call import call
from providers.wants import AptProbe

WHAT = "The package mirror"
REMEDY = "let this machine read the mirror"
MOST_BYTES = 4 * 1024 * 1024
"""Of a Release file; Debian's own have about 200 KiB."""
FORMS = (".xz", ".gz")
LEEWAY = 300.0
"""Seconds by which two clocks may differ."""


class AptCheck(Check[AptProbe]):
    """`probe.apt`. Outputs: `suite` (its codename), `date`, `valid_until` (UTC, or empty), `signed_by`.

    Measures `age`: seconds since the suite was made.
    """

    def _look(self, want: AptProbe, attempt: Attempt) -> Seen:
        url = f"{want.url.rstrip('/')}/dists/{want.suite}"
        signed = _signed(f"{url}/InRelease", want, attempt)
        release = Release.read(signed.text)
        _require_suite(release, want)
        age = _require_fresh(release, want, attempt.context.clock())
        _require_packages(release, url, want, attempt)
        until = release.until.isoformat() if release.until else ""
        seen = f"{want.url} has {want.suite} of {release.date.isoformat()}"
        return Seen(
            f"{seen}, valid until {until}." if until else f"{seen}.",
            {
                "suite": release.fields.get("Codename", want.suite),
                "date": release.date.isoformat(),
                "valid_until": until,
                "signed_by": sorted(signed.signers),
            },
            {"age": age},
        )


@dataclass(frozen=True, slots=True)
class Release:
    """A Release file's fields, and the size in bytes of each file whose SHA-256 it gives."""

    fields: Mapping[str, str]
    sizes: Mapping[str, int]

    @classmethod
    def read(cls, text: bytes) -> "Release":
        """Raises DoesNotHoldError when it is none."""
        fields: dict[str, str] = {}
        sizes: dict[str, int] = {}
        name = ""
        for line in text.decode(errors="replace").splitlines():
            if line.startswith((" ", "\t")):
                if name == "SHA256" and len(parts := line.split()) == 3 and len(parts[0]) == 64 and parts[1].isdigit():
                    sizes[parts[2]] = int(parts[1])
                continue
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        if "Date" not in fields or not sizes:
            raise DoesNotHoldError("What the mirror has signed is no Release file with a Date and SHA-256 sums.")
        return cls(fields, sizes)

    @property
    def date(self) -> datetime:
        return _time(self.fields["Date"])

    @property
    def until(self) -> datetime | None:
        return _time(self.fields["Valid-Until"]) if "Valid-Until" in self.fields else None


def _time(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)  # both are in UTC, however it is written
    except ValueError as error:
        raise DoesNotHoldError(f"The Release file has the time {text[:60]!r}, which can't be read.") from error


def _signed(url: str, want: AptProbe, attempt: Attempt) -> Signed:
    """Raises DoesNotHoldError unless one of the trusted keys signed what is there."""
    keys = _keys(attempt.context.estate / want.key)
    answer = require(call(attempt, "GET", url, redirects=3, most_bytes=MOST_BYTES), WHAT, 200, remedy=REMEDY)
    try:
        return verified(answer.body, keys, attempt.context.workspace, attempt.deadline.within(ATTEMPT_SECONDS))
    except UnsignedError as error:
        raise DoesNotHoldError(
            f"{answer.at} is not signed by a key of {want.key}: {error}; take no package from this mirror."
        ) from error


def _keys(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProviderError(
            f"The trusted keys in {path.name} can't be read ({error.strerror}); correct `key` of the step.",
            permanent=True,
        ) from error


def _require_suite(release: Release, want: AptProbe) -> None:
    """A mirror may give out another suite, well signed, in place of the one asked for."""
    names = {release.fields.get("Suite"), release.fields.get("Codename")}
    asked = want.suite.split("/", maxsplit=1)[0]
    if not {want.suite, asked} & names:
        given = " and ".join(sorted(name for name in names if name))
        raise DoesNotHoldError(
            f"{want.url} has {given[:100]} in the place of {want.suite}; correct `suite` or the mirror."
        )


def _require_fresh(release: Release, want: AptProbe, now: float) -> float:
    """Its age in seconds. Raises DoesNotHoldError when it is over, too old, or of another time."""
    date, until = release.date, release.until
    age = max(0.0, now - date.timestamp())
    if until is not None and until.timestamp() < now:
        raise DoesNotHoldError(
            f"{want.suite} at {want.url} was valid until {until.isoformat()}; the mirror does not follow any more.",
            measured={"age": age},
        )
    if date.timestamp() > now + LEEWAY:
        raise DoesNotHoldError(
            f"{want.suite} at {want.url} is of {date.isoformat()}, in the future; compare the clocks."
        )
    if want.max_age is not None and age > want.max_age:
        raise DoesNotHoldError(
            f"{want.suite} at {want.url} is of {date.isoformat()}, {age / 86400:.1f} days old; expected at most "
            f"{want.max_age / 86400:.1f} days.",
            measured={"age": age},
        )
    return age


def _require_packages(release: Release, url: str, want: AptProbe, attempt: Attempt) -> None:
    """The list of packages is named in the Release file, and is there in that very size."""
    base = f"{want.component}/binary-{want.architecture}/Packages"
    named = next((f"{base}{form}" for form in FORMS if f"{base}{form}" in release.sizes), None)
    if named is None:
        raise DoesNotHoldError(
            f"{want.suite} at {want.url} names no {base}.gz or .xz; correct `component` or `architecture`."
        )
    answer = require(call(attempt, "HEAD", f"{url}/{named}", redirects=3), WHAT, 200, remedy=REMEDY)
    size = answer.headers.get("content-length", "")
    if size.isdigit() and int(size) != release.sizes[named]:
        raise DoesNotHoldError(
            f"{answer.at} has {size} bytes; its Release file says {release.sizes[named]}: "
            "the mirror is in the middle of an update, or broken."
        )
