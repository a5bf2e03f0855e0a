"""Everything that can be seen of some domains from outside, looked at side by side and within one deadline."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from providers.base import Context, ProviderError
from providers.discovery import certificates, mail, zone
from providers.discovery.crawl import Crawl
from providers.discovery.networks import NetworkTable
from providers.discovery.page_fetch import Fetcher
from providers.discovery.sign import Discovery, Sign
from providers.discovery.survey import Survey
from providers.discovery.usual_names import OTHER, SELECTORS, WEB
from providers.dns.deadline import Deadline

AT_ONCE = 16
"""Looks at the same time."""
MOST_DOMAINS = 500
MOST_NAMES = 50
"""Names of one domain that an estate may add to the usual ones."""

_DOMAIN = re.compile(r"^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$")

Look = Callable[[], Iterator[Sign]]


def discover(
    context: Context, scope: str, domains: Sequence[str], names: Mapping[str, Sequence[str]], table: NetworkTable
) -> Discovery:
    """Look at these domains and at what they lead to. Changes nothing, and sends nothing but questions.

    `names`: domain -> further hosts of it to look at. What can't be looked at is in `unread`.
    Raises ProviderError(permanent) when a domain is none, or the scope has no resolvers.
    """
    asked = _domains(context, domains)
    survey = Survey(context, asked, table, Deadline(context.deadline))
    fetcher = Fetcher(survey)
    hosts = {domain: _hosts(domain, names.get(domain, ())) for domain in asked}
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="map") as pool:
        signs = _gathered(pool, [look for domain in asked for look in _records(survey, fetcher, domain, hosts[domain])])
        signs |= _gathered(pool, [*_mail_servers(survey), *_sites(survey, fetcher, hosts)])
    return Discovery(scope, tuple(asked), context.clock(), tuple(sorted(signs)), tuple(sorted(survey.unread)))


def _domains(context: Context, domains: Sequence[str]) -> list[str]:
    asked = list(dict.fromkeys(domain.strip().rstrip(".").lower() for domain in domains))
    wrong = [domain for domain in asked if not _DOMAIN.fullmatch(domain)]
    if wrong or not asked:
        what = f"{wrong[0]!r} is no domain" if wrong else "No domain was given"
        raise ProviderError(f"{what}; name the organisation's own, such as example.org.", permanent=True)
    if len(asked) > MOST_DOMAINS:
        raise ProviderError(f"More than {MOST_DOMAINS} domains; map them in several turns.", permanent=True)
    if not context.scope.get("dns", {}).get("resolvers"):
        raise ProviderError("The scope has no `dns.resolvers` to ask; add them to bascule.yaml.", permanent=True)
    return asked


def _hosts(domain: str, more: Sequence[str]) -> list[str]:
    """The domain itself, then the names whose pages are read, then the others; each once."""
    usual = [f"{name}.{domain}" for name in WEB]
    return list(dict.fromkeys([domain, *usual, *more[:MOST_NAMES]]))


def _records(survey: Survey, fetcher: Fetcher, domain: str, hosts: Sequence[str]) -> Iterator[Look]:
    """What DNS alone tells. All questions are asked here once, so that the looks after it find their answers."""
    for look in (zone.name_servers, zone.authorities, zone.marks, zone.services, mail.receivers, mail.senders):
        yield partial(look, survey, domain)
    yield partial(mail.transport_policy, survey, fetcher, domain)
    others = [f"{name}.{domain}" for name in OTHER]
    keys = [f"{name}._domainkey.{domain}" for name in SELECTORS]
    for host in (*hosts, *others, *keys):
        yield partial(zone.named, survey, domain, host)


def _mail_servers(survey: Survey) -> Iterator[Look]:
    """Each mail server is asked once, whatever the number of domains that it serves."""
    served: dict[str, list[str]] = {}
    for domain in survey.domains:
        for host in mail.mail_hosts(survey, domain):
            served.setdefault(host, []).append(domain)
    for host, domains in served.items():
        yield partial(certificates.of_mail, survey, domains, host)


def _sites(survey: Survey, fetcher: Fetcher, hosts: Mapping[str, Sequence[str]]) -> Iterator[Look]:
    """The certificates of a domain and of its `www`, and the pages of its hosts that have an address."""
    for domain, every in hosts.items():
        there = [host for host in every if survey.has_address(domain, host)]
        for host in (domain, f"www.{domain}"):
            if host in there:
                yield partial(certificates.of_web, survey, domain, host)
        if there:
            yield Crawl(survey, fetcher, domain, there).signs


def _gathered(pool: ThreadPoolExecutor, looks: Sequence[Look]) -> set[Sign]:
    found: set[Sign] = set()
    for signs in pool.map(lambda look: list(look()), looks):
        found.update(signs)
    return found
