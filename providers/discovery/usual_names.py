"""The names below a domain that are looked at: where people, programs and vendors usually are."""

WEB = ("www", "webmail", "cloud", "visio", "meet", "portal", "sso", "login")
"""Their start pages are read as well, if they have one."""

OTHER = ("mail", "autodiscover", "autoconfig", "vpn", "lyncdiscover", "enterpriseregistration", "mta-sts")
"""Lync and the Entra device names are set up with a tenant of Microsoft 365 and show it."""

SELECTORS = ("selector1", "google", "k1", "s1", "protonmail", "mailo", "default")
"""Selectors of DKIM keys that mail companies have their customers delegate, below `_domainkey`."""

SERVICES = (
    "_autodiscover._tcp",
    "_imaps._tcp",
    "_submission._tcp",
    "_submissions._tcp",
    "_caldavs._tcp",
    "_carddavs._tcp",
    "_sip._tls",
    "_sipfederationtls._tcp",
    "_xmpp-client._tcp",
    "_xmpp-server._tcp",
)
"""SRV names: RFC 6186 mail, RFC 6764 calendars, RFC 3263 telephony, RFC 6120 chat, and Exchange's own."""
