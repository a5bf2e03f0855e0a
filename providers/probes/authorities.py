"""The files of authorities (`ca`) that a scope names: there, readable, and not at their end."""

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from providers.base import Context, ProviderError
from providers.expiry import validity
from providers.probes.connection import SECRET
from providers.rights import Examination, Right, Subject


def examine(context: Context, subject: Subject) -> Examination:
    """Every certificate of the file that the subject's entry names; nothing is contacted."""
    held = context.reveal(subject.entry).reveal() if subject.entry.startswith(SECRET) else None
    path = context.estate / subject.entry
    rights = []
    for certificate in _certificates(path, held):
        name = certificate.subject.rfc4514_string() or f"serial {certificate.serial_number:x}"
        told = validity(certificate.not_valid_after_utc, subject.now, "get the authority's next certificate")
        rights.append(Right(f"{name}, {told.name}", told.state, told.advice))
    return subject.found(subject.entry if held else _short(path, context.estate), rights)


def organisations(path: Path) -> list[str]:
    """Who the authorities of a file are, each once. Raises ProviderError(permanent)."""
    found = []
    for certificate in _certificates(path, None):
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
            named = certificate.subject.get_attributes_for_oid(oid)
            if named:
                found.append(str(named[0].value))
                break
    return list(dict.fromkeys(found))


def _certificates(path: Path, held: str | None) -> list[x509.Certificate]:
    """Those of the file, or of the secret's text. Raises ProviderError(permanent)."""
    try:
        return x509.load_pem_x509_certificates(held.encode() if held else path.read_bytes())
    except OSError as error:
        raise ProviderError(
            f"The authorities in {path.name} can't be read ({error.strerror}); correct `ca` in bascule.yaml.",
            permanent=True,
        ) from error
    except ValueError as error:
        raise ProviderError(f"{path.name} holds no certificate in PEM form; correct it.", permanent=True) from error


def _short(path: Path, estate: Path) -> str:
    return str(path.relative_to(estate)) if path.is_relative_to(estate) else str(path)
