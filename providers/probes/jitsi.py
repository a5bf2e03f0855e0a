"""A Jitsi Meet whose configuration names an XMPP domain, and where that domain opens a session.

`config.js` has two forms: Debian's package writes `hosts: { domain: '…' }`, the container images `config.hosts.domain
= '…'`. The session is BOSH's (XEP-0124, XEP-0206), at `/http-bind` as in both.
"""

import re
import secrets
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from providers.base import ProviderError
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.place import below
from providers.probes.plain_xml import xml
from providers.probes.web_answer import Answer
from providers.probes.web_call import call
from providers.wants import JitsiProbe

BOSH = "http://jabber.org/protocol/httpbind"
STREAMS = "http://etherx.jabber.org/streams"
WAIT_SECONDS = 5
"""How long the server may hold a request; the first is answered at once."""

_DOMAIN = r"""['"]([A-Za-z0-9.\-]{1,253})['"]"""
_COMMENT = re.compile(r"^\s*//[^\n]*|/\*.*?\*/", re.MULTILINE | re.DOTALL)
_IN_HOSTS = re.compile(r"\bhosts\s*[:=]\s*\{[^}]*?\bdomain\s*:\s*" + _DOMAIN)
_ASSIGNED = re.compile(r"\bhosts\.domain\s*=\s*" + _DOMAIN)


class JitsiCheck(Check[JitsiProbe]):
    """`probe.jitsi`. Outputs: `domain` (of its XMPP server)."""

    def _look(self, want: JitsiProbe, attempt: Attempt) -> Seen:
        domain = _domain(call(attempt, "GET", below(want.url, "config.js")).expect(200))
        session = _Session(below(want.url, "http-bind"), domain, attempt)
        answer = session.open()
        session.close()
        return Seen(f"{answer.at} opened an XMPP session for {domain}.", {"domain": domain})


def _domain(answer: Answer) -> str:
    settings = _COMMENT.sub("", answer.text)
    found = _ASSIGNED.search(settings) or _IN_HOSTS.search(settings)
    if found is None:
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected Jitsi's settings with hosts.domain.")
    return found[1]


class _Session:
    """One BOSH session: opened, and closed at once."""

    def __init__(self, url: str, domain: str, attempt: Attempt) -> None:
        self._url = url
        self._domain = domain
        self._attempt = attempt
        self._request = secrets.randbelow(2**40) + 1
        self._id = ""

    def open(self) -> Answer:
        """Raises DoesNotHoldError when the XMPP server opens no stream for the domain."""
        answer = self._post(
            f"to={quoteattr(self._domain)} xml:lang='en' wait='{WAIT_SECONDS}' hold='1' ver='1.6' "
            "content='text/xml; charset=utf-8' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'"
        )
        body = _body(answer)
        if body.get("type") == "terminate" or not body.get("sid"):
            raise DoesNotHoldError(
                f"{answer.at} opened no session for {self._domain} ({body.get('condition', 'without a reason')}); "
                "expected a session id."
            )
        self._id = body.get("sid", "")
        if body.find(f"{{{STREAMS}}}features") is None:
            self.close()
            raise DoesNotHoldError(f"{answer.at} offers nothing in its session; expected ways to sign in.")
        return answer

    def close(self) -> None:
        """A session that can't be closed ends by itself: the server drops it after a minute of silence."""
        try:
            self._post(f"sid={quoteattr(self._id)} type='terminate'")
        except (DoesNotHoldError, ProviderError):
            return

    def _post(self, attributes: str) -> Answer:
        self._request += 1
        text = f"<body xmlns='{BOSH}' rid='{self._request}' {attributes}/>"
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        return call(self._attempt, "POST", self._url, headers=headers, body=text.encode()).expect(200)


def _body(answer: Answer) -> Element:
    body = xml(answer)
    if body.tag != f"{{{BOSH}}}body":
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected a BOSH body.")
    return body
