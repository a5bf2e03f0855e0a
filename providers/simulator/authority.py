"""A certificate authority of the simulator's own: what a rehearsal's scope names as `tls.ca`."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers.simulator.condition import Certificates

AUTHORITY = "Bascule simulator"
ELSEWHERE = "elsewhere.example"
"""The name that a wrong certificate is for."""
VALID_DAYS = 30


class Authority:
    """Makes certificates in a directory. `file`: its own, in PEM form, there or where it is wanted."""

    def __init__(self, directory: Path, file: Path | None = None) -> None:
        self._directory = directory
        self.file = file or directory / "authority.pem"
        self._key = self._kept(directory / "authority-key.pem")

    def _kept(self, file: Path) -> ec.EllipticCurvePrivateKey:
        """The key whose certificate stands there already and is good for a while, or a new pair of both."""
        if file.exists() and self.file.exists():
            key = serialization.load_pem_private_key(file.read_bytes(), None)
            there = x509.load_pem_x509_certificate(self.file.read_bytes())
            soon = datetime.now(UTC) + timedelta(days=VALID_DAYS / 2)
            if isinstance(key, ec.EllipticCurvePrivateKey) and there.not_valid_after_utc > soon:
                return key
        made = ec.generate_private_key(ec.SECP256R1())
        usage = x509.BasicConstraints(ca=True, path_length=0)
        certificate = self._builder(AUTHORITY, made).add_extension(usage, critical=True)
        for path, content in ((file, _private(made)), (self.file, _pem(certificate.sign(made, hashes.SHA256())))):
            path.touch(mode=0o600)
            path.write_bytes(content)
        return made

    def certificates(self, *names: str) -> Certificates:
        """The right certificate for a site of these names or addresses, and a wrong one."""
        return Certificates(right=_context(self.pair(*names)), wrong=_context(self.pair(ELSEWHERE)))

    def pair(self, *names: str) -> Path:
        """A file with a key and its certificate for these names or addresses, in PEM form."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        certificate = self._builder(names[0], key).add_extension(alternatives, critical=False)
        file = self._directory / f"{names[0]}.pem"
        private = _private(key)
        file.touch(mode=0o600)
        file.write_bytes(private + _pem(certificate.sign(self._key, hashes.SHA256())))
        return file

    def _builder(self, subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(subject))
            .issuer_name(_named(AUTHORITY))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=VALID_DAYS))
        )


def _context(pair: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(pair)
    return made


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, form, serialization.NoEncryption())
