"""A server of the social web that says of itself which software it runs.

The protocol: https://nodeinfo.diaspora.software/protocol. `/.well-known/nodeinfo` links to the
document; only a link to the same host is followed.
"""

from typing import Any

import httpx

from providers.probes.api_answer import require
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.web_answer import Answer
from providers.probes.web_call import call
from providers.wants import NodeInfoProbe

WHAT = "NodeInfo"
REMEDY = "let /.well-known/nodeinfo and what it links to be read by everybody"
SCHEMA = "nodeinfo.diaspora.software/ns/schema/"
REDIRECTS = 3


class NodeInfoCheck(Check[NodeInfoProbe]):
    """`probe.nodeinfo`. Outputs: `software`, `version`."""

    def _look(self, want: NodeInfoProbe, attempt: Attempt) -> Seen:
        known = _read(attempt, f"{want.url.rstrip('/')}/.well-known/nodeinfo")
        answer = _read(attempt, _document(known))
        software = answer.json().get("software")
        name, version = _named(software)
        if name != want.software:
            raise DoesNotHoldError(f"{answer.at} says that it runs {name or 'nothing'}; expected {want.software}.")
        return Seen(f"{answer.url.host} runs {name} {version}.", {"software": name, "version": version})


def _read(attempt: Attempt, url: str | httpx.URL) -> Answer:
    answer = call(attempt, "GET", url, headers={"Accept": "application/json"}, redirects=REDIRECTS)
    return require(answer, WHAT, 200, remedy=REMEDY)


def _document(answer: Answer) -> httpx.URL:
    """Where the document is, of the newest schema that is offered. Raises DoesNotHoldError."""
    links = answer.json().get("links")
    offered = sorted(
        (str(link.get("rel")), str(link.get("href")))
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, dict) and SCHEMA in str(link.get("rel"))
    )
    if not offered:
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected links to NodeInfo documents.")
    try:
        led = answer.url.join(offered[-1][1])
    except httpx.InvalidURL as error:
        raise DoesNotHoldError(f"{answer.at} links to {offered[-1][1][:100]!r}, which is no URL.") from error
    if led.host != answer.url.host or led.scheme != answer.url.scheme:
        raise DoesNotHoldError(
            f"{answer.at} links to a NodeInfo document at {led.scheme}://{led.host}; expected one at its own host."
        )
    return led


def _named(software: Any) -> tuple[str, str]:
    """Name in lower case, and version; empty where the document has none."""
    if not isinstance(software, dict):
        return "", ""
    return str(software.get("name") or "").lower()[:60], str(software.get("version") or "")[:60]
