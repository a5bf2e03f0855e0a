"""Sources of webhooks: what each can do to show that it is itself, and whom its rules speak of."""

from collections.abc import Iterator

from orchestrator.domain.checks.draft import Draft
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.signals.observation import CONTROL
from orchestrator.domain.signals.source import SECRETS, SIGNS_NOT, STANDARD, Source
from orchestrator.domain.wording import did_you_mean


def check_signals(draft: Draft) -> Iterator[Problem]:
    sources = draft.estate.estate.signals.sources
    owners: dict[str, str] = {}
    for name, source in sources.items():
        found = (*_secret(name, source, owners), *_ability(source), *_speech(source), *_vendors(draft, source))
        for complaint in found:
            yield draft.in_estate(complaint.under("signals", "sources", name))
    if sources and SECRETS in draft.estate.estate.scopes:
        message = f"A scope named `{SECRETS}` would share its secrets with the sources of webhooks."
        yield draft.in_estate(Complaint(("scopes", SECRETS), message, "Give the scope another name.", on_key=True))


def _secret(name: str, source: Source, owners: dict[str, str]) -> Iterator[Complaint]:
    """A secret that two sources know would let one of them speak for the other."""
    owner = owners.setdefault(source.auth.secret, name)
    if owner != name:
        message = f"The secret {source.auth.secret} is that of the source `{owner}` already."
        yield Complaint(("auth", source.auth.kind), message, "Give each source a secret of its own.")


def _ability(source: Source) -> Iterator[Complaint]:
    kind = source.auth.kind
    if kind == "hmac" and source.format in SIGNS_NOT:
        message = f"A sender of the format `{source.format}` cannot sign what it sends."
        yield Complaint(("auth", "hmac"), message, "Use `bearer`, `basic` or `token`.", on_key=True)
    if kind != "hmac" and source.format in STANDARD:
        message = f"Deliveries of the format `{source.format}` are signed, and known by nothing else."
        yield Complaint(("auth", kind), message, "Use `hmac`, with the secret that begins with whsec_.", on_key=True)


def _speech(source: Source) -> Iterator[Complaint]:
    """Observations say themselves whom they are about; alerts need rules for it."""
    if source.format == "observations" and source.map:
        message = "Observations name their vendor and aspect themselves, and no rule is asked."
        yield Complaint(("map",), message, "Remove `map`.", on_key=True)
    if source.format != "observations" and source.vendors is not None:
        message = "Of an alert, the rules say which vendor it is about."
        yield Complaint(("vendors",), message, "Remove `vendors`.", on_key=True)


def _vendors(draft: Draft, source: Source) -> Iterator[Complaint]:
    known = {*draft.catalogue.vendors, *(one.vendor for one in draft.estate.estate.services.values())}
    for index, rule in enumerate(source.map):
        if rule.vendor not in known and not rule.vendor.startswith(CONTROL):
            otherwise = f"Name a vendor of the catalogue or of a service, or a control such as {CONTROL}site."
            remedy = did_you_mean(rule.vendor, known, otherwise)
            yield Complaint(("map", index, "vendor"), f"There is no vendor `{rule.vendor}`.", remedy)
    for index, vendor in enumerate(source.vendors or ()):
        if vendor not in known:
            remedy = did_you_mean(vendor, known, "Name a vendor of the catalogue or of a service.")
            yield Complaint(("vendors", index), f"There is no vendor `{vendor}`.", remedy)
