"""Zones of mail domains as they are found: others' TXT values, any SPF, DMARC and MTA-STS, old names of servers."""

from hypothesis import strategies as st

from providers.dns.record_sets import Key, RecordSet, canonical_values

TTLS = st.sampled_from([60, 300, 900, 3600, 14400, 86400])
_WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
_FOREIGN = st.one_of(
    _WORD.map("MS=ms{}".format),
    _WORD.map("google-site-verification={}".format),
    _WORD.map("apple-domain={}".format),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=300).map("text: {}".format),
)
_SPF_TERMS = st.sampled_from([
    "include:spf.protection.outlook.com", "+include:SPF.protection.outlook.com", "include:mailo.com",
    "~include:spf.tutanota.de", "include:_spf.protonmail.ch", "include:sendgrid.net", "a", "mx", "mx/24",
    "ip4:192.0.2.0/24", "ip6:2001:db8::/32", "exists:%{i}._spf.crm.example", "a:web.example",
])  # fmt: skip
_SPF_ENDS = st.sampled_from(["-all", "~all", "?all", "", "redirect=_spf.host.example", "-ALL"])
SPF = st.builds(
    lambda terms, end: " ".join(["v=spf1", *terms, *([end] if end else [])]),
    st.lists(_SPF_TERMS, max_size=8, unique=True),
    _SPF_ENDS,
)
_DMARC = st.builds(
    lambda policy, rest: f"v=DMARC1; p={policy}{rest}",
    st.sampled_from(["none", "quarantine", "reject", "REJECT"]),
    st.sampled_from(["", "; sp=reject", ";sp=none; rua=mailto:d@trial.example", "; adkim=s; aspf=s", ";"]),
)
_MTA_STS = _WORD.map("v=STSv1; id={};".format)


def _one(name: str, kind: str, ttl: int, *values: str) -> RecordSet:
    return RecordSet(name, kind, ttl, canonical_values(kind, values, "trial.example"))


def txt(name: str, ttl: int, *texts: str) -> RecordSet:
    quoted = (f'"{text}"' if not text.startswith('"') else text for text in (_escaped(one) for one in texts))
    return _one(name, "TXT", ttl, *quoted)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@st.composite
def mail_zones(draw: st.DrawFn, two_spf: bool = False) -> dict[Key, RecordSet]:
    """Record sets by key. `two_spf`: a zone that breaks the rule of one SPF record."""
    found = [_one("@", "MX", draw(TTLS), "0 trial-example.mail.protection.outlook.com.")]
    texts = draw(st.lists(_FOREIGN, max_size=6, unique=True))
    if two_spf:
        texts += ["v=spf1 -all", "v=spf1 mx -all"]
    elif draw(st.booleans()):
        texts.append(draw(SPF))
    if texts:
        found.append(txt("@", draw(TTLS), *texts))
    if draw(st.booleans()):
        found.append(txt("_dmarc", draw(TTLS), draw(_DMARC)))
    if draw(st.booleans()):
        found.append(txt("_mta-sts", draw(TTLS), draw(_MTA_STS)))
        found.append(_one("mta-sts", "A", draw(TTLS), "192.0.2.7"))
    discovered = draw(st.sampled_from(["", "CNAME", "A"]))
    if discovered == "CNAME":
        found.append(_one("autodiscover", "CNAME", draw(TTLS), "autodiscover.outlook.com."))
    elif discovered == "A":
        found.append(_one("autodiscover", "A", draw(TTLS), "192.0.2.8"))
        found.append(_one("autodiscover", "AAAA", draw(TTLS), "2001:db8::8"))
    services = draw(st.sets(st.sampled_from(["_autodiscover._tcp", "_imaps._tcp", "_submission._tcp"])))
    found += [_one(name, "SRV", draw(TTLS), "0 1 443 old.example.") for name in sorted(services)]
    if draw(st.booleans()):
        found.append(txt("_smtp._tls", draw(TTLS), "v=TLSRPTv1; rua=mailto:tls@trial.example"))
    hosts = draw(st.sets(st.sampled_from(["www", "mail", "unrelated"])))
    found += [_one(name, "A", draw(TTLS), "192.0.2.9") for name in sorted(hosts)]
    return {one.key: one for one in found}
