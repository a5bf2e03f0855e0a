"""What mail shows: who receives it, who may send it, and what the domain says of transport security."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.rdtypes.ANY.MX

from providers.discovery.page_fetch import Fetcher
from providers.discovery.sign import Sign
from providers.discovery.survey import Survey
from providers.discovery.zone import named, texts

MOST_INCLUDES = 30
"""SPF records that are followed for one domain; a receiver stops after 10 (RFC 7208 §4.6.4), an author may not."""

_LOOKED_UP = ("include:", "redirect=", "exists:", "a:", "mx:")


def receivers(survey: Survey, domain: str) -> Iterator[Sign]:
    for host in mail_hosts(survey, domain):
        if survey.ours(host):
            yield from named(survey, domain, host)
        else:
            yield Sign(domain, "mx", domain, host, f"{domain} MX {host}")


def mail_hosts(survey: Survey, domain: str) -> list[str]:
    """Without the empty MX that says that a domain takes no mail (RFC 7505)."""
    return [
        rdata.exchange.to_text(omit_final_dot=True).lower()
        for rdata in survey.values(domain, domain, "MX")
        if isinstance(rdata, dns.rdtypes.ANY.MX.MX) and rdata.exchange.labels != (b"",)
    ]


def senders(survey: Survey, domain: str) -> Iterator[Sign]:
    """Everyone whom the domain's SPF record lets send in its name, through whatever it includes."""
    yield from _Spf(survey, domain).below(domain, (), ())


@dataclass
class _Spf:
    survey: Survey
    domain: str
    seen: set[str] = field(default_factory=set)

    def below(self, at: str, path: tuple[str, ...], through: tuple[str, ...]) -> Iterator[Sign]:
        """The signs of one record and of those that it leads to, each record once."""
        if at in self.seen:
            return
        if len(self.seen) >= MOST_INCLUDES:
            said = f"More than {MOST_INCLUDES} SPF records; the rest is not read."
            self.survey.note(self.domain, "record", f"{at} SPF", said)
            return
        self.seen.add(at)
        for term in _spf_terms(self.survey, self.domain, at):
            evidence = f"{' → '.join((*path, at))} TXT {term}"
            yield from self._term(term.lower().lstrip("+-~?"), at, (*path, at), through, evidence)

    def _term(
        self, term: str, at: str, path: tuple[str, ...], through: tuple[str, ...], evidence: str
    ) -> Iterator[Sign]:
        name, _, value = term.partition(":") if ":" in term else term.partition("=")
        if name in ("ip4", "ip6"):
            yield from self.survey.owner(self.domain, at, value.partition("/")[0], f"{evidence}: ", through)
        elif term.startswith(_LOOKED_UP):
            host = _without_macros(value).partition("/")[0].rstrip(".")
            ours = self.survey.ours(host)
            if host and not ours:
                yield Sign(self.domain, "spf", at, host, evidence, through)
            if host and name in ("include", "redirect"):
                yield from self.below(host, path, through if ours else (*through, host))


def _spf_terms(survey: Survey, domain: str, at: str) -> list[str]:
    records = [text for text in texts(survey, domain, at) if text.lower().split(" ")[0] == "v=spf1"]
    return records[0].split()[1:] if records else []


def _without_macros(value: str) -> str:
    """`%{i}._spf.vendor.example` -> `_spf.vendor.example`: what differs from mail to mail says nothing."""
    return value.rpartition("}")[2].lstrip(".") if "%" in value else value


def transport_policy(survey: Survey, fetcher: Fetcher, domain: str) -> Iterator[Sign]:
    """The mail servers that an MTA-STS policy allows (RFC 8461), where the domain has one."""
    announced = [text for text in texts(survey, domain, f"_mta-sts.{domain}") if text.lower().startswith("v=stsv1")]
    if not announced:
        return
    url = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    with fetcher.visit(domain, survey.deadline) as visit:
        page = visit.get(url)
    if page is None or page.status != 200:
        return
    for line in page.text.splitlines()[:200]:
        key, _, value = line.partition(":")
        host = value.strip().lower().rstrip(".")
        if key.strip().lower() == "mx" and host and not survey.ours(host.removeprefix("*.")):
            yield Sign(domain, "mta-sts", url, host, f"{url}: {line.strip()}")
