"""Whether a mail is what it says: SPF, DKIM and DMARC as a receiver evaluates them, of a message as it arrived.

Evaluated here, and not read from an Authentication-Results header, whose words and
presence are the receiver's own. pySPF and dkimpy do the work; they ask through the
scope's resolvers.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default as plain_policy
from email.utils import parseaddr

import dkim
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import spf

from providers.probes.resolver import Names, UnresolvedError

_ADDRESS = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]")
_FROM_BY = re.compile(r"^from\s+(\S+)(.*?)\sby\s+(\S+)", re.IGNORECASE | re.DOTALL)
MOST_LABELS = 8
"""Names that are asked for a DMARC record on the way up (RFC 9989, DNS tree walk)."""


@dataclass(frozen=True, slots=True)
class Hop:
    """Where the receiving side took the mail over: the sending server's address and greeting."""

    client: str
    helo: str


@dataclass(frozen=True, slots=True)
class Genuine:
    """The verdicts in the words of RFC 8601: pass, fail, none and so on; `why` in one sentence."""

    spf: str
    dkim: str
    dmarc: str
    client: str
    why: str


def judged(raw: bytes, names: Names, receiving: Sequence[str]) -> Genuine:
    """What a receiver would say. `receiving`: the MX hosts of the receiving side. Raises UnresolvedError."""
    message = message_from_bytes(raw, policy=plain_policy)
    author = parseaddr(str(message.get("From", "")))[1].rpartition("@")[2].lower()
    hop = hop_of([str(value) for value in message.get_all("Received", [])], receiving)
    sender = parseaddr(str(message.get("Return-Path", "")))[1]
    spf_said, spf_domain = _spf(hop, sender, names)
    signed = list(_signatures(raw, message.get_all("DKIM-Signature", []), names))
    dkim_said = "pass" if any(ok for _, ok in signed) else ("fail" if signed else "none")
    signers = [domain for domain, holds in signed if holds]
    dmarc_said = _dmarc(author, spf_domain if spf_said == "pass" else "", signers, names)
    why = (
        f"from {hop.client or 'an unknown address'}, SPF of {spf_domain or 'nobody'} {spf_said}, "
        f"DKIM {dkim_said}{_told(signed)}, DMARC of {author} {dmarc_said}"
    )
    return Genuine(spf_said, dkim_said, dmarc_said, hop.client, why)


def _told(signed: Sequence[tuple[str, bool]]) -> str:
    return f" ({', '.join(sorted({domain for domain, _ in signed}))})" if signed else ""


def hop_of(received: Sequence[str], receiving: Sequence[str]) -> Hop:
    """The newest hop at which an MX of the receiving side took the mail; else the newest from a public address."""
    hops = []
    for text in received:
        found = _FROM_BY.match(" ".join(text.split()))
        address = _ADDRESS.search(found[2]) if found else None
        if found and address and _is_address(address[1]):
            hops.append((found[3].lower().rstrip(";."), Hop(address[1], found[1])))
    known = {host.lower().removesuffix(".") for host in receiving}
    at_mx = [hop for by, hop in hops if by in known]
    public = [hop for _, hop in hops if ipaddress.ip_address(hop.client).is_global]
    every = [hop for _, hop in hops]
    return next(iter([*at_mx[:1], *public[:1], *every[:1]]), Hop("", ""))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class _Query(spf.query):  # type: ignore[misc]  # pySPF ships no types
    """pySPF's evaluation, which asks through the scope's resolvers."""

    def __init__(self, names: Names, client: str, sender: str, helo: str) -> None:
        super().__init__(i=client, s=sender, h=helo)
        self._names = names

    def dns(
        self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False
    ) -> list[str | tuple[int, str] | tuple[bytes, ...]]:
        del cnames
        try:
            rdatas = self._names.rdatas(str(name), qtype)
        except UnresolvedError as error:
            raise spf.TempError(str(error)) from error
        if not rdatas and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} lookups found nothing")
        return [_as_pyspf(rdata) for rdata in rdatas]


def _as_pyspf(rdata: object) -> str | tuple[int, str] | tuple[bytes, ...]:
    match rdata:
        case dns.rdtypes.ANY.MX.MX():
            return rdata.preference, rdata.exchange.to_text(omit_final_dot=True)
        case dns.rdtypes.ANY.PTR.PTR():
            return rdata.target.to_text(omit_final_dot=True)
        case _ if hasattr(rdata, "strings"):
            texts: tuple[bytes, ...] = rdata.strings
            return texts
        case _:
            return str(rdata)


def _spf(hop: Hop, sender: str, names: Names) -> tuple[str, str]:
    """The verdict, and the domain that it speaks of: the envelope sender's, or the greeting's of a bounce."""
    domain = (sender.rpartition("@")[2] or hop.helo).lower()
    if not hop.client or not domain:
        return "none", domain
    verdict: str = _Query(names, hop.client, sender, hop.helo).check()[0]
    return verdict, domain


def _signatures(raw: bytes, headers: Sequence[str], names: Names) -> Iterator[tuple[str, bool]]:
    """The domain of each DKIM signature, and whether it holds."""
    checker = dkim.DKIM(raw)
    for index, header in enumerate(headers):
        found = re.search(r"\bd\s*=\s*([^;\s]+)", str(header))
        domain = found[1].lower() if found else ""
        try:
            holds = checker.verify(idx=index, dnsfunc=_key_of(names))
        except dkim.DKIMException:
            holds = False
        yield domain, bool(holds)


def _key_of(names: Names) -> Callable[..., bytes | None]:
    def look_up(name: bytes | str, timeout: float = 5) -> bytes | None:
        del timeout  # the attempt's deadline bounds it
        host = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        return next(iter(names.texts(host)), None)

    return look_up


def _dmarc(author: str, spf_domain: str, signers: Sequence[str], names: Names) -> str:
    """pass, fail, or none where the domain has no policy. `spf_domain`, `signers`: those that passed."""
    policy = next((text for _, text in _policies(author, names)), "")
    if not policy:
        return "none"
    passed = [(spf_domain, "aspf")] if spf_domain else []
    passed += [(signer, "adkim") for signer in signers]
    aligned = any(_aligned(author, domain, _tag(policy, tag) == "s", names) for domain, tag in passed)
    return "pass" if aligned else "fail"


def _aligned(author: str, domain: str, strict: bool, names: Names) -> bool:
    if domain == author:
        return True
    return not strict and _organisation(domain, names) == _organisation(author, names)


def _organisation(domain: str, names: Names) -> str:
    """The highest domain above that has a DMARC record of its own (RFC 9989); else the domain itself."""
    found = [at for at, text in _policies(domain, names) if _tag(text, "psd") != "y"]
    return found[-1] if found else domain


def _policies(domain: str, names: Names) -> Iterator[tuple[str, str]]:
    """Each domain from this one up that has a DMARC record, and the record."""
    labels = domain.split(".")
    for at in range(max(0, len(labels) - MOST_LABELS), len(labels) - 1):
        above = ".".join(labels[at:])
        texts = [text.decode("latin-1") for text in names.texts(f"_dmarc.{above}")]
        records = [text for text in texts if text.partition(";")[0].replace(" ", "").lower() == "v=dmarc1"]
        if len(records) == 1:
            yield above, records[0]


def _tag(record: str, name: str) -> str:
    pairs = (part.partition("=") for part in record.split(";"))
    return next((value.strip().lower() for key, _, value in pairs if key.strip().lower() == name), "")
