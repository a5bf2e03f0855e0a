"""Which products of the catalogue a sign shows, by the patterns of their files. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from orchestrator.domain.catalogue import Catalogue, Product, Recognised
from providers.discovery.sign import Kind, Sign

_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "mx": ("mx", "hosts"),
    "mta-sts": ("mx", "hosts"),
    "spf": ("spf", "hosts"),
    "ns": ("ns", "hosts"),
    "caa": ("caa",),
    "cname": ("cname", "hosts", "mx"),
    "srv": ("hosts", "cname", "mx"),
}
"""Which patterns a sign's host is held against; those of pages against hosts and CNAMEs."""

_OF_PAGES = ("hosts", "cname")
_OF_HOSTS = ("mx", "spf", "ns", "cname", "hosts")

Names = tuple[str, ...]


class Recogniser:
    """Answers names of products, in order. The most exact pattern decides; products that share it are all named."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._hosts: dict[tuple[str, str], set[str]] = {}
        self._others: dict[str, list[str]] = {}
        self._words: dict[tuple[str, str], set[str]] = {}
        self._products = {**catalogue.targets, **catalogue.vendors}
        for name, product in self._products.items():
            self._learn(name, product.recognised)

    def products(self, sign: Sign) -> Names:
        match sign.kind:
            case "inside":
                return (sign.value,) if sign.value in self._products else ()
            case "txt":
                return self._begins("txt", sign.value.lower())
            case "issuer":
                return self._begins("issuers", sign.value.casefold())
            case "network":
                return tuple(sorted(self._words.get(("networks", sign.value), ())))
            case kind:
                return self.hosts(sign.value, _FIELDS.get(kind, _OF_PAGES))

    def hosts(self, host: str, fields: Iterable[str] = _OF_HOSTS) -> Names:
        """The products whose patterns of these fields a host fits; the first field that knows it decides."""
        for field in fields:
            if exact := self._hosts.get((field, host)):
                return tuple(sorted(exact))
            fitting = [pattern for pattern in self._patterns(field, host) if (field, pattern) in self._hosts]
            if fitting:
                return tuple(sorted(self._hosts[field, max(fitting, key=_exactness)]))
        return ()

    def _patterns(self, field: str, host: str) -> Iterator[str]:
        """The patterns with a `*` that a host fits: by its ends, which are looked up, and the few others one by one."""
        labels = host.split(".")
        yield from (f"*.{'.'.join(labels[at:])}" for at in range(1, len(labels)))
        yield from (pattern for pattern in self._others.get(field, ()) if fnmatchcase(host, pattern))

    def recognisable(self, name: str) -> bool:
        """Whether the catalogue says how this product shows at all."""
        product: Product | None = self._products.get(name)
        return product is not None and any(product.recognised.model_dump().values())

    def _learn(self, name: str, recognised: Recognised) -> None:
        for field in (*_OF_HOSTS, "caa"):
            for pattern in getattr(recognised, field):
                if "*" in pattern.removeprefix("*."):
                    self._others.setdefault(field, []).append(pattern)
                self._hosts.setdefault((field, pattern), set()).add(name)
        for field, words in (
            ("txt", [text.lower() for text in recognised.txt]),
            ("issuers", [text.casefold() for text in recognised.issuers]),
            ("networks", list(recognised.networks)),
        ):
            for word in words:
                self._words.setdefault((field, word), set()).add(name)

    def _begins(self, field: str, text: str) -> Names:
        """The longest of the beginnings that fit."""
        fitting = [word for known, word in self._words if known == field and text.startswith(word)]
        return tuple(sorted(self._words[field, max(fitting, key=len)])) if fitting else ()


def _exactness(pattern: str) -> int:
    """How many characters of a host a pattern says."""
    return len(pattern) - pattern.count("*")
