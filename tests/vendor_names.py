"""A service under a vendor's own host name, over TLS, on this machine: what default addresses lead to.

No resolver and no address of the vendor is involved: the name is answered here,
and the certificate comes from an authority made for the test.
"""

import datetime
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers.simulator.http_service import HttpListener, HttpService

DAY = datetime.timedelta(days=1)


@contextmanager
def at_vendor_name(service: HttpService, host: str, folder: Path) -> Iterator[Path]:
    """The service at https://host/; gives the file of the authority to trust. Other names are not found."""
    authority, certificate = _certified(host, folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listener = HttpListener(service, "127.0.0.1", port)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener._server.socket = context.wrap_socket(listener._server.socket, server_side=True)

    def here(name: Any, asked: Any, *_: Any, **__: Any) -> list[Any]:
        if name != host:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not known in this test")
        assert int(asked) == 443, "the vendor's service is on the port of https"
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", here)
        try:
            yield authority
        finally:
            listener.stop()


def _certified(host: str, folder: Path) -> tuple[Path, Path]:
    """The files of an authority, and of a certificate with its key for the host."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    ca = _begun(ca_name, ca_name, ca_key.public_key())
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    leaf = _begun(name, ca_name, key.public_key())
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    authority, certificate = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    certificate.write_bytes(
        leaf.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, *plain)
    )
    return authority, certificate


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )
