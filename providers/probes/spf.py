"""How many DNS lookups an SPF record costs a receiver (RFC 7208 §4.6.4)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from providers.dns.record_edits import is_spf, spf_text
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.resolver import Names
from providers.wants import SpfProbe

MOST_VOID = 2
"""Lookups that find nothing, beyond which a receiver may give up (RFC 7208 §4.6.4)."""

MOST_FOLLOWED = 60
"""Terms that are looked up before a record counts as endless."""

_TERM = re.compile(r"^[-+~?]?(include|a|mx|ptr|exists)(?:[:/](.*))?$|^(redirect)=(.+)$", re.IGNORECASE)


class SpfCheck(Check[SpfProbe]):
    """`probe.spf`. Outputs: `record` as it will be, `lookups`, `void`, and `costliest`, the term that costs most."""

    def _look(self, want: SpfProbe, attempt: Attempt) -> Seen:
        counter = _Counter(attempt.names)
        there = counter.record_of(want.domain) or ("v=spf1 ~all" if want.include else "")
        record = spf_text(there, want) if there else ""
        if not record:
            return Seen(
                f"{want.domain} has no SPF record, so it costs no lookup.",
                {"record": "", "lookups": 0, "void": 0, "costliest": ""},
            )
        terms = [counter.cost_of(term, want.domain, (want.domain,)) for term in _terms(record)]
        lookups, void = sum(one.lookups for one in terms), sum(one.void for one in terms)
        costliest = max(terms, key=lambda one: one.lookups, default=_Cost("", 0, 0))
        if lookups > want.most:
            raise DoesNotHoldError(
                f"The SPF record of {want.domain} would need {lookups} DNS lookups, and {want.most} are allowed; "
                f"{costliest.term} alone needs {costliest.lookups}: replace it by the addresses that send, or drop it."
            )
        if void > MOST_VOID:
            raise DoesNotHoldError(
                f"{void} names in the SPF record of {want.domain} lead to nothing, and {MOST_VOID} are allowed; "
                "take them out."
            )
        outputs = {"record": record, "lookups": lookups, "void": void, "costliest": costliest.term}
        return Seen(f"The SPF record of {want.domain} needs {lookups} of {want.most} DNS lookups.", outputs)


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one term needs, with all that it leads to."""

    term: str
    lookups: int
    void: int


class _Counter:
    """Counts as a receiver does that finds no match before the end: the most that it may cost."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._followed = 0

    def record_of(self, domain: str) -> str:
        """The domain's SPF record; empty when it has none. Raises DoesNotHoldError when it has several."""
        texts = [text.decode("latin-1") for text in self._names.texts(domain)]
        records = [text for text in texts if is_spf(text)]
        if len(records) > 1:
            raise DoesNotHoldError(
                f"{domain} has {len(records)} SPF records, and receivers then heed none (RFC 7208 §4.5); "
                "make one of them."
            )
        return records[0] if records else ""

    def cost_of(self, term: str, domain: str, chain: tuple[str, ...]) -> _Cost:
        """`chain`: the domains that led to this term."""
        self._followed += 1
        if self._followed > MOST_FOLLOWED:
            raise DoesNotHoldError(f"The SPF record of {chain[0]} leads through more than {MOST_FOLLOWED} terms.")
        found = _TERM.match(term)
        assert found is not None
        kind = (found[1] or found[3]).lower()
        target = (found[2] if found[1] else found[4]) or ""
        target = target.partition("/")[0].lower().removesuffix(".") or domain
        if "%" in target:  # a macro: what it leads to depends on the sender
            return _Cost(term, 1, 0)
        if kind in ("include", "redirect"):
            return self._led_to(term, target, chain)
        return _Cost(term, 1, 0 if kind == "ptr" or self._is_there(kind, target) else 1)

    def _is_there(self, kind: str, target: str) -> bool:
        if kind == "mx":
            return bool(self._names.rdatas(target, "MX"))
        return any(self._names.rdatas(target, one) for one in ("A", "AAAA"))

    def _led_to(self, term: str, target: str, chain: tuple[str, ...]) -> _Cost:
        if target in chain:
            raise DoesNotHoldError(f"The SPF record of {chain[0]} leads in a circle, by {term}; take that out.")
        record = self.record_of(target)
        if not record:
            raise DoesNotHoldError(
                f"{term} in the SPF record of {chain[-1]} leads to no SPF record, and receivers then refuse it all "
                "(RFC 7208 §5.2); take it out, or correct it."
            )
        inner = [self.cost_of(one, target, (*chain, target)) for one in _terms(record)]
        return _Cost(term, 1 + sum(one.lookups for one in inner), sum(one.void for one in inner))


def _terms(record: str) -> Iterator[str]:
    """The terms that need a lookup; a redirect beside `all` is not followed (RFC 7208 §6.1), nor what stands behind."""
    terms = record.split()[1:]
    ends = next((at for at, term in enumerate(terms) if term.lower().lstrip("+-~?") == "all"), None)
    for at, term in enumerate(terms):
        redirect = term.lower().startswith("redirect=")
        if _TERM.match(term) and (ends is None or (at < ends and not redirect)):
            yield term
