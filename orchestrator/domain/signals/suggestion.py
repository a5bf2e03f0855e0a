"""A rule that would have understood an alert: a beginning for whoever writes it, never anything that applies itself.

What an alert says is data from outside. It ends up in quotation marks that nothing in it can leave; whom the alert is
about is guessed from the estate's own vendors alone, and left open where nothing says it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.catalogue import Aspect
from orchestrator.domain.signals.source import Source

OPEN = "VENDOR"
"""Where nobody can guess it. It is no vendor's name, so that an estate with it is refused."""
MOST_LABELS = 3
LONGEST_VALUE = 300
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,99}")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?")
_TELLING = ("alertname", "check", "monitor", "name", "service", "trigger", "title", "type", "job", "host", "source")
"""Labels that say what is watched, the most telling first."""
_PASSING = re.compile(r"id$|^id|time|date|start|end|fingerprint|value|status|state|url|message|summary|description")
"""Labels that differ from one alert to the next."""
_ASPECTS: Sequence[tuple[Aspect, re.Pattern[str]]] = (
    ("denial", re.compile(r"denied|denial|forbidden|refus|401|403|451|unauthori|suspend")),
    ("auth", re.compile(r"auth|login|sign.?in|token|oauth|saml|sso|password")),
    ("tls", re.compile(r"tls|ssl|cert")),
    ("dns", re.compile(r"dns|resolv|nameserver")),
    ("sync", re.compile(r"sync|replica|lag|queue")),
    ("freshness", re.compile(r"fresh|stale|backup|snapshot|update|feed")),
    ("tcp", re.compile(r"tcp|port|ping|icmp|connect|reach")),
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text`: YAML for bascule.yaml. `is_open`: whom it is about must still be written in the place of `VENDOR`."""

    text: str
    is_open: bool


def suggested(
    name: str, source: Source | None, labels: Mapping[str, str], vendors: Mapping[str, Sequence[str]]
) -> Suggestion | None:
    """For one alert of a source. `vendors`: those that the estate depends on, and what each is called besides.

    None where no label can be matched, or where the source is no more in the estate.
    """
    if source is None:
        return None
    if source.format == "observations":
        return _spoken_of(name, source, labels.get("vendor", ""))
    chosen = dict(list(_chosen(labels))[:MOST_LABELS])
    if not chosen:
        return None
    told = " ".join([*labels, *labels.values()]).casefold()
    vendor = _vendor(told, vendors)
    aspect = next((one for one, said in _ASPECTS if said.search(told)), "semantic")
    others = ", ".join(vendors) if not vendor else ""
    lines = [
        *_where(name, "map"),
        f"        - match: {{{', '.join(f'{key}: {quoted(value)}' for key, value in chosen.items())}}}",
        f"          vendor: {vendor or OPEN}{f' # {others}' if others else ''}",
        f"          aspect: {aspect}",
    ]
    return Suggestion("\n".join([*lines, *(["          outcome: denied"] if aspect == "denial" else [])]), not vendor)


def quoted(value: str) -> str:
    """A YAML string in double quotes (YAML 1.2.2 §7.3.1), of signs that can be seen alone."""
    return f'"{"".join(map(_sign, value))}"'


def _sign(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    return f"\\u{ord(sign):04x}" if ord(sign) <= 0xFFFF else f"\\U{ord(sign):08x}"


def _spoken_of(name: str, source: Source, vendor: str) -> Suggestion | None:
    if not _NAME.fullmatch(vendor):
        return None
    allowed = [*(source.vendors or ()), vendor]
    return Suggestion("\n".join([*_where(name, ""), f"      vendors: [{', '.join(allowed)}]"]), is_open=False)


def _where(name: str, block: str) -> list[str]:
    lines = ["signals:", "  sources:", f"    {name}:"]
    return [*lines, f"      {block}:"] if block else lines


def _chosen(labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is telling, in its order; else the first that does not pass."""
    fit = {key: value for key, value in labels.items() if _LABEL.fullmatch(key) and 0 < len(value) <= LONGEST_VALUE}
    telling = [key for key in _TELLING if key in fit]
    yield from ((key, fit[key]) for key in telling[:2])
    if not telling:
        yield from ((key, value) for key, value in fit.items() if not _PASSING.search(key.casefold()))


def _vendor(told: str, vendors: Mapping[str, Sequence[str]]) -> str:
    """The one vendor that is named; none where several are."""
    found = [
        name
        for name, called in vendors.items()
        if any(re.search(rf"(?<!\w){re.escape(one.casefold())}(?!\w)", told) for one in (name, *called) if one)
    ]
    return found[0] if len(found) == 1 else ""
