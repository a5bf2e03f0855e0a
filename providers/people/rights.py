"""Whether notices can be signed: the keys of the scope's `people` block, and how long the certificate still holds."""

from providers.base import Context
from providers.expiry import validity
from providers.people.signature import Signer
from providers.rights import Examination, Right, State, Subject


def examine(context: Context, subject: Subject) -> Examination:
    """Read the keys and the certificates; nothing is contacted and nothing signed. Raises ProviderError."""
    signer = Signer(context)
    rights = [
        Right(
            "sign the text of notices",
            State.HELD if signer.signs_text else State.UNKNOWN,
            "" if signer.signs_text else "Without `notice_key`, people check by reference and contact alone.",
        )
    ]
    for certificate in signer.certificates:
        told = validity(certificate.not_valid_after_utc, subject.now, "get the next certificate for mail")
        rights.append(Right(f"{certificate.subject.rfc4514_string()}, {told.name}", told.state, told.advice))
    return subject.found(str(context.scope["people"].get("certificate") or "without S/MIME"), rights)
