"""What a domain's own records show: who answers for it, who may certify it, what was once proven to whom."""

from collections.abc import Iterator

import dns.rdtypes.ANY.CAA
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.SRV

from providers.discovery.sign import Sign
from providers.discovery.survey import Survey, third_parties
from providers.discovery.usual_names import SERVICES

LONGEST_TEXT = 255
"""Characters of a TXT record that are kept."""


def name_servers(survey: Survey, domain: str) -> Iterator[Sign]:
    """The servers of the zone that the domain is in, or is a part of."""
    at = domain
    while not (found := survey.values(domain, at, "NS")) and at.count(".") > 1:
        at = at.partition(".")[2]
    for rdata in found:
        if isinstance(rdata, dns.rdtypes.ANY.NS.NS):
            host = rdata.target.to_text(omit_final_dot=True).lower()
            if survey.ours(host):
                yield from survey.owners(domain, host, reason=f"{at} NS ")
            else:
                yield Sign(domain, "ns", at, host, f"{at} NS {host}")


def authorities(survey: Survey, domain: str) -> Iterator[Sign]:
    """Who may issue certificates for the domain (RFC 8659). A permission, not yet a use."""
    for rdata in survey.values(domain, domain, "CAA"):
        if isinstance(rdata, dns.rdtypes.ANY.CAA.CAA) and rdata.tag.lower() in (b"issue", b"issuewild", b"issuemail"):
            host = rdata.value.decode(errors="replace").partition(";")[0].strip().lower()
            if host:
                yield Sign(domain, "caa", domain, host, f"{domain} CAA {rdata.tag.decode(errors='replace')} {host}")


def marks(survey: Survey, domain: str) -> Iterator[Sign]:
    """Texts at the domain itself, by which it was proven to somebody."""
    for text in texts(survey, domain, domain):
        if not text.lower().startswith("v=spf1"):
            yield Sign(domain, "txt", domain, text[:LONGEST_TEXT], f"{domain} TXT {text[:LONGEST_TEXT]}")


def services(survey: Survey, domain: str) -> Iterator[Sign]:
    """Where programs are told to go."""
    for service in SERVICES:
        at = f"{service}.{domain}"
        for rdata in survey.values(domain, at, "SRV"):
            if isinstance(rdata, dns.rdtypes.IN.SRV.SRV) and rdata.target.labels != (b"",):
                host = rdata.target.to_text(omit_final_dot=True).lower()
                if survey.ours(host):
                    yield from named(survey, domain, host)
                else:
                    yield Sign(domain, "srv", at, host, f"{at} SRV {host}:{rdata.port}")


def named(survey: Survey, domain: str, host: str) -> Iterator[Sign]:
    """Where a name of the organisation leads: the hosts of its CNAMEs, and whose addresses are at their end."""
    chain = survey.ask(domain, host, "A").chain
    for place, target in enumerate(chain):
        if not survey.ours(target):
            through = third_parties(survey, chain[:place])
            yield Sign(domain, "cname", host, target, f"{' → '.join((host, *chain[: place + 1]))} (CNAME)", through)
    yield from survey.owners(domain, host, third_parties(survey, chain))


def texts(survey: Survey, domain: str, at: str) -> list[str]:
    """The TXT records of a name, each as one text."""
    return [
        b"".join(rdata.strings).decode("utf-8", "replace")
        for rdata in survey.values(domain, at, "TXT")
        if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT)
    ]
