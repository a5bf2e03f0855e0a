"""What a verdict on a vendor, or on a law, is about in an estate."""

from collections.abc import Mapping

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Service
from orchestrator.domain.signals.change import JURISDICTION, law_title
from orchestrator.domain.signals.words import Said


def vendors_of(subject: str, catalogue: Catalogue) -> frozenset[str]:
    """The vendors that a verdict speaks of: itself, or all whose owners the law binds."""
    if not subject.startswith(JURISDICTION):
        return frozenset({subject})
    country = subject.removeprefix(JURISDICTION)
    return frozenset(name for name, one in catalogue.vendors.items() if one.control.country == country)


def services_of(subject: str, services: Mapping[str, Service], catalogue: Catalogue) -> tuple[str, ...]:
    """The services that depend on the subject and have a failover, in the estate's order."""
    vendors = vendors_of(subject, catalogue)
    return tuple(name for name, one in services.items() if one.vendor in vendors and one.failover is not None)


def title_of(subject: str, catalogue: Catalogue) -> Said:
    if subject.startswith(JURISDICTION):
        return law_title(subject.removeprefix(JURISDICTION))
    product = catalogue.product(subject)
    return {"fr": product.title.fr, "en": product.title.en} if product else {"fr": subject, "en": subject}
