"""What shows that a notice is the organisation's: a signature of its text, and S/MIME for mail programs.

The text's signature is Ed25519, short enough to be printed; anybody with the published key verifies it with
`openssl pkeyutl -verify -rawin`. S/MIME (RFC 8551) is what mail programs show without being asked.
"""

import base64
import hashlib
from dataclasses import dataclass
from email.message import EmailMessage
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs7

from providers.base import Context, JsonMap, ProviderError


@dataclass(frozen=True, slots=True)
class TextSignature:
    """The signature of a text, and the key that verifies it. `fingerprint`: the beginning of its SHA-256 (SPKI)."""

    value: bytes
    public_key: str
    fingerprint: str

    def __str__(self) -> str:
        return base64.b64encode(self.value).decode()


class Signer:
    """The scope's keys for notices; each is optional. Raises ProviderError(permanent) for one that can't be used."""

    def __init__(self, context: Context) -> None:
        settings: JsonMap = context.scope.get("people", {})
        self._context = context
        self._notice_key = _ed25519(context, settings["notice_key"]) if settings.get("notice_key") else None
        self.certificates = _certificates(context, settings["certificate"]) if settings.get("certificate") else []
        self._mail_key = _mail_key(context, settings, self.certificates) if self.certificates else None

    @property
    def signs_text(self) -> bool:
        return self._notice_key is not None

    @property
    def mail_signer(self) -> str:
        """Whose certificate it is, as mail programs show it; empty without one."""
        if not self.certificates:
            return ""
        subject = self.certificates[0].subject
        named = [
            *subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME),
            *subject.get_attributes_for_oid(x509.NameOID.EMAIL_ADDRESS),
        ]
        return str(named[0].value) if named else subject.rfc4514_string()

    def signed_text(self, text: str) -> TextSignature | None:
        """None without a `notice_key`."""
        if self._notice_key is None:
            return None
        public = self._notice_key.public_key()
        spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        digest = hashlib.sha256(spki).hexdigest()[:16]
        shown = " ".join(digest[at : at + 4] for at in range(0, 16, 4))
        return TextSignature(self._notice_key.sign(text.encode()), pem.decode(), shown)

    def signed_mail(self, head: EmailMessage, body: EmailMessage) -> bytes:
        """The mail with these headers and this content, in `multipart/signed` when there is a certificate."""
        content = body.as_bytes()
        start = head.as_bytes().rstrip(b"\r\n") + b"\r\n"
        if self._mail_key is None:
            return start + content
        boundary = b"signed-" + hashlib.sha256(content).hexdigest()[:32].encode()
        return b"\r\n".join(
            [
                start + b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg="sha-256";',
                b' boundary="' + boundary + b'"',
                b"",
                b"This is a signed message.",
                b"--" + boundary,
                content,
                b"--" + boundary,
                b'Content-Type: application/pkcs7-signature; name="smime.p7s"',
                b"Content-Transfer-Encoding: base64",
                b'Content-Disposition: attachment; filename="smime.p7s"',
                b"",
                _wrapped(self._pkcs7(content)),
                b"--" + boundary + b"--",
                b"",
            ]
        )

    def _pkcs7(self, content: bytes) -> bytes:
        assert self._mail_key is not None
        made = pkcs7.PKCS7SignatureBuilder().set_data(content)
        made = made.add_signer(self.certificates[0], self._mail_key, hashes.SHA256())
        for chained in self.certificates[1:]:
            made = made.add_certificate(chained)
        return made.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary])


def _wrapped(content: bytes) -> bytes:
    text = base64.b64encode(content)
    return b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))


def _key(context: Context, reference: str, name: str) -> object:
    try:
        return serialization.load_pem_private_key(context.reveal(reference).reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ProviderError(
            f"`people.{name}` is no private key in PEM form without a password; correct the secret.", permanent=True
        ) from error


def _ed25519(context: Context, reference: str) -> Ed25519PrivateKey:
    key = _key(context, reference, "notice_key")
    if not isinstance(key, Ed25519PrivateKey):
        raise ProviderError(
            "`people.notice_key` is no Ed25519 key; make one with `openssl genpkey -algorithm ed25519`.",
            permanent=True,
        )
    return key


def _certificates(context: Context, path: str) -> list[x509.Certificate]:
    """The signer's own first, then those above it."""
    try:
        return x509.load_pem_x509_certificates((context.estate / path).read_bytes())
    except (OSError, ValueError) as error:
        raise ProviderError(
            f"The certificate {path} of `people.certificate` can't be read; give a PEM file of the estate.",
            permanent=True,
        ) from error


def _mail_key(
    context: Context, settings: JsonMap, certificates: list[x509.Certificate]
) -> RSAPrivateKey | EllipticCurvePrivateKey:
    if not settings.get("signing_key"):
        raise ProviderError("`people.certificate` needs the `signing_key` that belongs to it; add it.", permanent=True)
    key = _key(context, settings["signing_key"], "signing_key")
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise ProviderError("`people.signing_key` is neither an RSA nor an EC key, as S/MIME needs.", permanent=True)
    if key.public_key() != cast(object, certificates[0].public_key()):
        raise ProviderError(
            "`people.signing_key` does not belong to `people.certificate`; correct one of them.", permanent=True
        )
    _require_valid(context, certificates[0])
    return key


def _require_valid(context: Context, certificate: x509.Certificate) -> None:
    until = certificate.not_valid_after_utc
    if until.timestamp() <= context.clock():
        raise ProviderError(
            f"The certificate of `people.certificate` was valid until {until:%Y-%m-%d}; renew it.", permanent=True
        )
