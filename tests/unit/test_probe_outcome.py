"""What a look shows: a refusal is told from a fault, and a fault of ours from one of the vendor."""

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.domain.catalogue import Denial
from orchestrator.domain.signals.outcome import outcome_of
from providers.base import Finding, Presence, ProviderError, Said

MICROSOFT = shipped().vendors["microsoft-365"].denials
AWS = shipped().vendors["aws"].denials


def failed(status: int | None = None, text: str = "", *, refused: bool = False, unseen: bool = False) -> Finding:
    said = None if status is None and not text and not refused else Said(status, text, refused)
    return Finding(Presence.ABSENT, message="401 denied AADSTS90002", said=said, unseen=unseen)


def refused(said: Said | None) -> ProviderError:
    return ProviderError("The secret secret://x is missing. 403", permanent=True, said=said)


@pytest.mark.parametrize(
    ("found", "denials", "outcome"),
    [
        (Finding(Presence.ALREADY), MICROSOFT, "ok"),
        (failed(), MICROSOFT, "fail"),
        (failed(500, "AADSTS90002"), MICROSOFT, "fail"),
        (failed(400, '{"error":"invalid_tenant","error_description":"AADSTS90002: Tenant"}'), MICROSOFT, "denied"),
        (failed(400, "AADSTS900023: malformed"), MICROSOFT, "denied"),
        (failed(400, "bad request"), MICROSOFT, "fail"),
        (failed(400, "AADSTS90002"), AWS, "fail"),
        (failed(401), (), "denied"),
        (failed(403, "<Code>AccountProblem</Code>"), AWS, "denied"),
        (failed(451), (), "denied"),
        (failed(404, "nothing here"), MICROSOFT, "fail"),
        (failed(429), MICROSOFT, "fail"),
        (failed(503), MICROSOFT, "fail"),
        (failed(refused=True), (), "denied"),
        (failed(unseen=True), MICROSOFT, "unknown"),
        (refused(None), MICROSOFT, "unknown"),
        (refused(Said(403)), MICROSOFT, "denied"),
        (refused(Said(text="[AUTHENTICATIONFAILED]", refused=True)), (), "denied"),
        (ProviderError("come less often", permanent=False, retry_after=60, said=Said(429)), (), "fail"),
    ],
)
def test_outcomes(found: Finding | ProviderError, denials: tuple[Denial, ...], outcome: str) -> None:
    assert outcome_of(found, denials) == outcome


def test_no_refusal_of_the_shipped_catalogue_is_without_a_sign() -> None:
    for vendor in shipped().vendors.values():
        for denial in vendor.denials:
            assert denial.codes or denial.texts, vendor.vendor
