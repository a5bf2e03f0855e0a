"""Where and how the service is reached: its address, certificate, public name, and the proxies in front."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from orchestrator.operations.request import RequestError
from orchestrator.web.edge.access import is_our_host
from orchestrator.web.edge.limits import Rates

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate with its chain, and its key, in PEM form; one file may hold both."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """How people and programs elsewhere name the service. `host` is lower-case; `port` None: the scheme's own."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises RequestError for what is more, or less, than scheme, host and port."""
        try:
            parts = urlsplit(text)
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            host, port, parts = "", None, urlsplit("")
        plain = parts.scheme in ("http", "https") and host and parts.username is None and parts.path in ("", "/")
        if not plain or parts.query or parts.fragment:
            raise RequestError(
                f"{text!r} is no address of a service: write --public-url such as https://bascule.example."
            )
        own = 443 if parts.scheme == "https" else 80
        return cls(parts.scheme, host, None if port == own else port)

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def is_named(self, header: str) -> bool:
        """Whether a Host header, or what a proxy says that it was, names this and nothing else."""
        if any(sign in header for sign in "@/?#\\, \t"):
            return False
        try:
            parts = urlsplit(f"//{header}")
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            return False
        own = 443 if self.scheme == "https" else 80
        return host == self.host and (port or own) == (self.port or own)


@dataclass(frozen=True, slots=True)
class Listening:
    """`proxies`: the addresses from which X-Forwarded-For, -Proto and -Host are believed."""

    host: str = "127.0.0.1"
    port: int = 8700
    tls: TlsFiles | None = None
    public: PublicUrl | None = None
    proxies: tuple[Network, ...] = ()
    insecure_http: bool = False
    rates: Rates = field(default_factory=Rates)

    def require_encryption(self) -> None:
        """Raises RequestError where tokens and decisions would cross a network in clear."""
        if self.tls is None and not self.proxies and not self.insecure_http and not is_loopback(self.host):
            raise RequestError(
                f"{self.host} is not loopback, and what is sent there would not be encrypted. Give a certificate "
                "(--tls-cert and --tls-key), or name the TLS proxy in front of it (--proxy and --public-url). "
                "--insecure-http serves without encryption all the same."
            )

    def answers_to(self, header: str | None) -> bool:
        """Whether a Host header names this service: by its public name, if it has one, or as this machine's own."""
        if self.public is None:
            return is_our_host(header, self.host)
        return bool(header and self.public.is_named(header)) or is_our_host(header, "localhost")

    def is_proxy(self, address: str) -> bool:
        found = address_of(address)
        return found is not None and any(found in one for one in self.proxies)


def proxies_of(text: str) -> tuple[Network, ...]:
    """`192.0.2.7,2001:db8::/64` -> the networks. Raises RequestError."""
    found: list[Network] = []
    for part in (one.strip() for one in text.split(",") if one.strip()):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise RequestError(
                f"{part!r} is no address or network of a proxy: write --proxy such as 192.0.2.7."
            ) from error
    return tuple(found)


def tls_files(certificate: Path | None, key: Path | None) -> TlsFiles | None:
    """Without a key, the certificate's file holds it. Raises RequestError for a key alone."""
    if certificate is None and key is not None:
        raise RequestError("--tls-key has no certificate: give --tls-cert as well.")
    return None if certificate is None else TlsFiles(certificate, key or certificate)


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, an IPv4 address written as IPv6 as itself; None for anything else."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_loopback(host: str) -> bool:
    found = address_of(host)
    return host == "localhost" if found is None else found.is_loopback


def hops_of(lines: Sequence[str]) -> list[str]:
    """The entries of all X-Forwarded-For headers, in their order."""
    return [one.strip() for line in lines for one in line.split(",")]
