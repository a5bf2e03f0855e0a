"""Which account is read, where its APIs are, and how long they may take."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from providers.base import Context, JsonMap, ProviderError, Secret
from providers.compute.aws import Ec2Driver
from providers.dns.route53 import Route53Driver
from providers.storage.driver import StoreDriver
from providers.vendor_http import Deadline, Endpoint, provider_errors

URLS: Mapping[str, str] = {
    "ec2": "https://ec2.{region}.amazonaws.com",
    "s3": "https://s3.{region}.amazonaws.com",
    "route53": "https://route53.amazonaws.com",
}
"""Where AWS itself serves each API, outside of its partitions for China and for governments."""
ROUTE53_REGION = "us-east-1"
"""Route 53 has no regions, and signs for this one (AWS General Reference, "Route 53 endpoints")."""

Tell = Callable[[str, str], None]
"""Takes what could not be read: about which thing, and why."""


@dataclass(frozen=True, slots=True)
class Account:
    """The scope's block, its secrets in hand."""

    region: str
    access_key: Secret
    secret_key: Secret
    urls: Mapping[str, str | None]
    ca: str | None
    scope: JsonMap
    seconds: float
    now: Callable[[], float]

    @classmethod
    def of(cls, context: Context, name: str, now: Callable[[], float]) -> "Account":
        """Raises ProviderError(permanent) when the scope's block or its secrets are missing."""
        block: Mapping[str, Any] = context.scope.get("sources", {}).get(name, {})
        missing = [key for key in ("region", "access_key", "secret_key") if not block.get(key)]
        if missing:
            raise ProviderError(
                f"sources.{name} of the scope has no {', '.join(missing)}; add it to bascule.yaml.", permanent=True
            )
        return cls(
            region=block["region"],
            access_key=context.reveal(block["access_key"]),
            secret_key=context.reveal(block["secret_key"]),
            urls={service: block.get(f"{service}_url") for service in URLS},
            ca=str(context.estate / block["ca"]) if block.get("ca") else None,
            scope=context.scope,
            seconds=context.deadline,
            now=now,
        )

    @contextmanager
    def ec2(self) -> Iterator[Ec2Driver]:
        endpoint, deadline = self._at("ec2", self.region), Deadline(self.seconds).reaching(self.scope)
        driver = Ec2Driver(self.access_key, self.secret_key, endpoint, self.region, deadline)
        with provider_errors(driver.connection, f"EC2 at {endpoint.host}"):
            yield driver

    @contextmanager
    def route53(self) -> Iterator[Route53Driver]:
        endpoint, deadline = self._at("route53", ROUTE53_REGION), Deadline(self.seconds).reaching(self.scope)
        driver = Route53Driver(self.access_key, self.secret_key, endpoint, ROUTE53_REGION, deadline)
        with provider_errors(driver.connection, f"Route 53 at {endpoint.host}"):
            yield driver

    @contextmanager
    def s3(self, region: str, deadline: Deadline) -> Iterator[StoreDriver]:
        """S3 in one region: AWS answers for a bucket only where it is."""
        endpoint = self._at("s3", region)
        driver = StoreDriver(
            self.access_key.reveal(), self.secret_key.reveal(), endpoint, region, deadline.reaching(self.scope)
        )
        with provider_errors(driver.connection, f"S3 at {endpoint.host}"):
            yield driver

    def _at(self, service: str, region: str) -> Endpoint:
        return Endpoint.at(self.urls[service] or URLS[service].format(region=region), self.ca)


Reader = Callable[[Account, Tell], Iterable[Any]]
"""Reads one part. Raises ProviderError when it cannot be read at all."""
